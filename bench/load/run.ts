/**
 * A server under load. Prints one JSON line for each part.
 *
 *     npm run load [-- clients|feedback|training|peer …] [--model REF] [--clients 64] [--seconds 120] [--threads N] [--seed N]
 *
 * clients: many at once, some of whom go away; every answer is held against the one that the same server gives alone
 * feedback: 500 events a second while 8 streams decode, then kill -9
 * training: the time between two tokens while a job trains
 * peer: the same requests at the same concurrency by llama.cpp, in turns
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadByClients } from './clients.ts'
import { feedbackUnderLoad } from './feedback.ts'
import { besidePeer } from './peer.ts'
import { decodingWhileTraining } from './training.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string' },
    threads: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
})
const seconds = (unlessGiven: number): number => Number(flags.seconds ?? unlessGiven)
const log = (line: string): void => { process.stderr.write(`${line}\n`) }

const parts: Readonly<Record<string, (directory: string) => Promise<unknown>>> = {
  clients: async (directory) => loadByClients(
    { ...server(directory), adapters: 4, clients: Number(flags.clients), seconds: seconds(120), requests: 90, cancels: 0.2, patience: 3000, seed: Number(flags.seed) }, log,
  ),
  feedback: async (directory) => feedbackUnderLoad({ ...server(directory), rate: 500, seconds: seconds(30), streams: 8 }),
  training: async (directory) => decodingWhileTraining({ ...server(directory), seconds: seconds(20), streams: [1, 8] }, log),
  peer: async (directory) => besidePeer({ ...server(directory), clients: Number(flags.clients), requests: 128, rounds: Number(flags.rounds) }, log),
}

const unknown = positionals.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}: there are ${Object.keys(parts).join(', ')}`)
for (const name of positionals.length > 0 ? positionals : Object.keys(parts)) {
  const directory = await mkdtemp(join(tmpdir(), 'posttrain-load-'))
  try {
    console.log(JSON.stringify({ part: name, figures: await parts[name]!(directory) }))
  } finally {
    await rm(directory, { recursive: true })
  }
}

function server(directory: string): { directory: string; model: string | undefined; threads: string | undefined } {
  return { directory, model: flags.model, threads: flags.threads }
}
