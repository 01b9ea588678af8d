// An aedes broker: node aedes.mjs CACHE PORT [FOLDER]. With a folder its sessions are kept there, in LevelDB.
import { createRequire } from 'node:module'
import net from 'node:net'

const [cache, port, folder] = process.argv.slice(2)
const require = createRequire(`${cache}/aedes/package.json`)
const { Aedes } = require('aedes')
const options = {}
if (folder) {
  const { Level } = require('level')
  const keep = require('aedes-persistence-level')
  options.persistence = (keep.default ?? keep)(new Level(folder))
}
const broker = await Aedes.createBroker(options)
net.createServer(broker.handle).listen(Number(port), '127.0.0.1')
const end = () => broker.close(() => process.exit(0))
process.on('SIGTERM', end)
