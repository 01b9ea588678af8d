// The peer "thermal": MQTT.js and node-thermal-printer as their READMEs have it: a ThermalPrinter for each order, and
// `await execute()`. The session stays (clean: false with a client id), so that the broker keeps what comes meanwhile.
// Arguments: broker port, printer (host:port or a device), topic.

const mqtt = require('mqtt');
const { ThermalPrinter, PrinterTypes, CharacterSet } = require('node-thermal-printer');
const { lines, dish, details } = require('./ticket.js');

const [brokerPort, address, topic] = process.argv.slice(2);
const where = address.startsWith('/') ? address : `tcp://${address}`;
const client = mqtt.connect(`mqtt://127.0.0.1:${brokerPort}`, { clientId: 'kitchen-thermal', clean: false });

client.on('connect', () => client.subscribe(topic, { qos: 1 }));
client.on('message', async (_, payload) => {
    const { order } = JSON.parse(payload).data;
    const printer = new ThermalPrinter({
        type: PrinterTypes.EPSON, interface: where, width: 48, characterSet: CharacterSet.CHINA,
    });
    printer.alignCenter();
    printer.setTextQuadArea();
    printer.println(`#${order.no}`);
    printer.setTextNormal();
    printer.alignLeft();
    lines(order).forEach((line) => printer.println(line));
    printer.drawLine();
    for (const item of order.items) {
        printer.bold(true);
        printer.setTextDoubleHeight();
        printer.println(dish(item));
        printer.setTextNormal();
        printer.bold(false);
        details(item).forEach((line) => printer.println(line));
    }
    printer.drawLine();
    printer.cut();
    try {
        await printer.execute();
        console.log(`done ${order.no}`);
    } catch (error) {
        console.error('Print failed:', error);
    }
});
