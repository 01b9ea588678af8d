// What the peers of Node.js print: the same words as ticket.py, so that all tickets can be compared.

const lines = (order) => [
    `桌号 Table: ${order.table}   ${order.guests}人   ${order.fulfil}   ${order.channel}`,
    `下单 Placed: ${order.placed_at.slice(11, 19)}`,
    ...(order.customer ? [`顾客: ${order.customer.name} 尾号${order.customer.phone_tail}`] : []),
    ...(order.allergies.length ? [`过敏 ALLERGY: ${order.allergies.join(' ')}`] : []),
    ...(order.note ? [`备注 NOTE: ${order.note}`] : []),
];
const dish = (item) => `x${item.qty} ${item.unit}  ${item.name}  ${item.name2}`;
const details = (item) => [
    ...item.mods.map((mod) => `    + ${mod.name}`),
    ...(item.note ? [`    * ${item.note}`] : []),
];

module.exports = { lines, dish, details };
