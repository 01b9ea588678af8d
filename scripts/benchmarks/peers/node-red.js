// The peer "node-red", its settings file: no editor, and a function that a flow may call (functionGlobalContext, as its
// documentation shows), because Node-RED itself can't write Chinese to a printer. The flow is node-red.json: mqtt in,
// function, tcp out. tcp out says nothing of success, so that this peer claims none.

const iconv = require('iconv-lite');
const { lines, dish, details } = require('./ticket.js');

const ticket = ({ order }) => iconv.encode([
    `\x1b@\x1ba\x01\x1d!\x11#${order.no}\n\x1d!\x00\x1ba\x00`,
    ...lines(order).map((line) => `${line}\n`),
    '-'.repeat(48), '\n',
    ...order.items.flatMap((item) => [
        `\x1bE\x01\x1d!\x01${dish(item)}\n\x1d!\x00\x1bE\x00`, ...details(item).map((line) => `${line}\n`),
    ]),
    '-'.repeat(48), '\n\n\n\n\n\x1dVA\x03',
].join(''), 'gb18030');

module.exports = {
    uiPort: 0,
    httpAdminRoot: false,
    httpNodeRoot: false,
    flowFile: process.env.FLOWS,
    functionGlobalContext: { ticket },
    logging: { console: { level: 'info' } },
};
