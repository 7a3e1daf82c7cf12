/** The same requests, by as many clients at once, to this server and to llama.cpp. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resolveModel } from '../../src/models/sources/source.ts'
import { nodePeers } from '../environment.ts'
import { latenciesOf } from '../ours/open-loop.ts'
import { jsonLines, run, toJsonLines } from '../process.ts'
import { inTurns, median } from '../table.ts'
import { ask } from './client.ts'
import { loadRequests, type LoadRequest } from './prompts.ts'
import { baseName, loadModel, startLoadServer, type LoadServerOptions } from './server.ts'

export interface PeerOptions extends LoadServerOptions {
  readonly clients: number
  readonly requests: number
  readonly rounds: number
}

export interface PeerFigures {
  readonly tokensPerSecond: number
  /** Milliseconds of a whole answer. */
  readonly p50: number
  readonly p95: number
}

/** By name; medians of the rounds. */
export async function besidePeer(options: PeerOptions, log: (line: string) => void): Promise<Record<string, PeerFigures>> {
  nodePeers()
  const requests = loadRequests(options.requests, [baseName])
  const file = join(options.directory, 'requests.jsonl')
  await writeFile(file, toJsonLines(requests))
  const model = await resolveModel(options.model ?? loadModel)
  let round = 0
  const results = await inTurns(new Map([
    ['posttrain serve, int8', async () => ours({ ...options, directory: join(options.directory, String(round++)) }, requests)],
    ['node-llama-cpp, Q4_1', async () => jsonLines(await run(process.execPath, [
      join(import.meta.dirname, '../peers/llama_load.mjs'), '--model', model, '--requests', file, '--clients', String(options.clients),
    ]))[0] as PeerFigures],
  ]), options.rounds)
  log('done')
  return Object.fromEntries([...results].map(([name, figures]) => [name, {
    tokensPerSecond: median(figures.map((each) => each.tokensPerSecond)), p50: median(figures.map((each) => each.p50)), p95: median(figures.map((each) => each.p95)),
  }]))
}

async function ours(options: PeerOptions, requests: readonly LoadRequest[]): Promise<PeerFigures> {
  const { server } = await startLoadServer(options)
  try {
    await ask(server.url, { ...requests[0]!, messages: [{ role: 'user', content: 'Hello' }] }, { stream: false })
    const latencies: number[] = []
    let [next, tokens] = [0, 0]
    const start = performance.now()
    await Promise.all(Array.from({ length: options.clients }, async () => {
      for (let i = next++; i < requests.length; i = next++) {
        const answer = await ask(server.url, requests[i]!, { stream: true })
        latencies.push(answer.latency)
        tokens += answer.tokens
      }
    }))
    const { p50, p95 } = latenciesOf(latencies)
    return { tokensPerSecond: tokens / ((performance.now() - start) / 1000), p50, p95 }
  } finally {
    await server.end('SIGKILL')
  }
}
