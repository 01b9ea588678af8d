"""The line: the only room that speaks MQTT."""
