// Reads [[document, characters per line], ...] from standard input; writes what the reference renderer prints for each.
// Its plain text output, with the looks of large and decorated text marked, and cuts, codes and pictures named.
const receiptline = require('receiptline');

const text = receiptline.commands.text;
const plain = { ul: '', em: '', iv: '', wh: '' };
const marked = Object.assign({}, text, {
    look: plain,
    side: 0,
    at: 0,
    normal() { this.look = { ...plain }; return text.normal.call(this); },
    ul() { this.look.ul = 'u'; return ''; },
    em() { this.look.em = 'b'; return ''; },
    iv() { this.look.iv = 'i'; return ''; },
    wh(wh) {
        const [w, h] = wh < 3 ? [[1, 1], [2, 1], [1, 2]][wh] : [wh - 1, wh - 1];
        this.look.wh = `${w}x${h}`;
        return text.wh.call(this, wh);
    },
    text(words, encoding) {
        const done = text.text.call(this, words, encoding);
        const look = this.look.wh + this.look.em + this.look.iv + this.look.ul;
        const last = this.buffer[this.buffer.length - 1];
        last.data = look ? `⟦${look}:${last.data}⟧` : last.data;
        return done;
    },
    area(left, width, right) {
        this.at = left + right === 0 ? -1 : Math.abs(left - right) <= 1 ? 1 : left > 0 ? 2 : 0;
        return text.area.call(this, left, width, right);
    },
    align(align) { this.side = this.at < 0 ? align : this.at; return ''; },
    cut() { return '⟦cut⟧\n'; },
    image(data) { return `⟦image ${this.side} ${data}⟧\n`; },
    qrcode(s) { return `⟦qrcode ${this.side} ${s.cell} ${s.level} ${JSON.stringify(s.data)}⟧\n`; },
    barcode(s) { return `⟦barcode ${this.side} ${s.type} ${s.width} ${s.height} ${s.hri} ${JSON.stringify(s.data)}⟧\n`; },
});

const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const printer = cpl => ({ cpl, encoding: 'gb18030', command: marked });
process.stdout.write(JSON.stringify(asked.map(([doc, cpl]) => receiptline.transform(doc, printer(cpl)))));
