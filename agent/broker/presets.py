"""How we log in where a broker wants more than a user and a password as they are: forms as the makers document them.

Called at each connection with the secret as it is on disk then. Nothing here depends on the time: a box whose clock is
wrong logs in all the same (Alibaba's IoT Platform allows to leave the timestamp out).
"""

import base64
import hmac

from agent.config import Broker
from agent.model.preset import preset_of

ALPN_CERTIFICATE, ALPN_PASSWORD = "x-amzn-mqtt-ca", "mqtt"
_SIGNED_MODES = ("Signature|", "DeviceCredential|")


def client_id(settings: Broker) -> str:
    """The client id as CONNECT says it."""
    if settings.preset == "alibaba-iot":
        return f"{settings.client_id}|securemode={2 if settings.address.tls else 3},signmethod=hmacsha256|"
    return settings.client_id


def password(settings: Broker, secret: str | None) -> str | None:
    """The password as CONNECT says it, made of the secret that the installer was given.

    alibaba, modes Signature and DeviceCredential: Base64 of HMAC-SHA1 over the client id. alibaba-iot: hex HMAC-SHA256
    over the names and values of client id, device name and product key, sorted by name. Elsewhere the secret itself.
    """
    if secret is None:
        return None
    if settings.preset == "alibaba" and settings.username.startswith(_SIGNED_MODES):
        digest = hmac.new(secret.encode(), settings.client_id.encode(), "sha1").digest()
        return base64.b64encode(digest).decode()
    if settings.preset == "alibaba-iot":
        device, _, product = settings.username.partition("&")
        return iot_password(secret, "sha256", clientId=settings.client_id, deviceName=device, productKey=product)
    return secret


def iot_password(secret: str, digest: str, **said: str) -> str:
    """Alibaba's IoT Platform: everything that is said, sorted by its name, under the device's secret, as hex digits."""
    text = "".join(f"{name}{said[name]}" for name in sorted(said))
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest()


def alpn(settings: Broker) -> list[str]:
    """The protocols to name in the TLS handshake: AWS serves MQTT on 443 only to those who do."""
    address, preset = settings.address, preset_of(settings.preset)
    if not address.tls or address.port != preset.alpn_port:
        return []
    return [ALPN_CERTIFICATE if settings.cert_file else ALPN_PASSWORD]
