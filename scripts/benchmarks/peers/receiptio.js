// The peer "receiptio": MQTT.js and ReceiptIO, made as careful as both allow: the session stays, an order is acknowledged
// after it was printed (handleMessage), and printed again until ReceiptIO says "success", which it asks the printer for.
// Arguments: broker port, printer (host:port; ReceiptIO knows only port 9100), topic.

const mqtt = require('mqtt');
const receiptio = require('receiptio');
const { lines, dish, details } = require('./ticket.js');

const [brokerPort, address, topic] = process.argv.slice(2);
const options = `-d ${address.split(':')[0]} -p escpos -l zh-hans -c 48`;
const client = mqtt.connect(`mqtt://127.0.0.1:${brokerPort}`, { clientId: 'kitchen-receiptio', clean: false });
const plain = (text) => text.replace(/[\\|{}~_"`^]/g, '\\$&');
const left = (text) => `${plain(text)} |`;

const markdown = (order) => [
    `^^^#${order.no}`,
    ...lines(order).map(left),
    '-',
    ...order.items.flatMap((item) => [`^^"${left(dish(item)).replace(' |', '" |')}`, ...details(item).map(left)]),
    '-',
].join('\n');

const print = async ({ order }) => {
    for (;;) {
        const result = await receiptio.print(markdown(order), options);
        if (result === 'success') return console.log(`done ${order.no}`);
        console.log(`held ${order.no} ${result}`);
        await new Promise((resume) => setTimeout(resume, 1000));
    }
};

client.handleMessage = (packet, callback) => print(JSON.parse(packet.payload).data).then(() => callback());
client.on('connect', () => client.subscribe(topic, { qos: 1 }));
