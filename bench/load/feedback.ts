/** Feedback at a given rate while streams decode; then kill -9, and every event that was acknowledged is looked for. */
import { join } from 'node:path'
import { Agent, request } from 'node:http'
import { Random } from '../../src/random.ts'
import { openStore } from '../../src/store/index.ts'
import { openLoop, type Latencies } from '../ours/open-loop.ts'
import { ask } from './client.ts'
import { loadRequests } from './prompts.ts'
import { baseName, startLoadServer, type LoadServerOptions } from './server.ts'

export interface FeedbackOptions extends LoadServerOptions {
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
  readonly streams: number
}

export interface FeedbackReport extends Latencies {
  readonly acknowledged: number
  /** Acknowledged, and not there after the kill. */
  readonly lost: number
  readonly doubled: number
  readonly tokensPerSecond: number
}

export async function feedbackUnderLoad(options: FeedbackOptions): Promise<FeedbackReport> {
  const { server } = await startLoadServer(options)
  const acknowledged = new Set<string>()
  let latencies: Latencies | undefined
  let tokens = 0
  try {
    const stop = new AbortController()
    const requests = loadRequests(64, [baseName])
    const streams = Array.from({ length: options.streams }, async (_, i) => {
      for (let turn = i; !stop.signal.aborted; turn += options.streams) {
        await ask(server.url, { ...requests[turn % requests.length]!, maxTokens: 128 }, { stream: true, signal: stop.signal, onToken: () => { tokens++ } })
      }
    })
    const ended = Promise.allSettled(streams)
    const send = sender(server.url)
    await openLoop({ rate: 100, seconds: 2 }, async (index) => send(`warm-${index}`, index))
    const before = tokens
    const random = new Random(1)
    latencies = await openLoop({ rate: options.rate, seconds: options.seconds, random: () => random.uniform() }, async (index) => {
      await send(`event-${index}`, index)
      acknowledged.add(`event-${index}`)
    })
    tokens -= before
    // The kill falls into events that are under way.
    const last = Array.from({ length: 200 }, async (_, i) => send(`last-${i}`, i).then(() => acknowledged.add(`last-${i}`), () => undefined))
    await Promise.race(last)
    await server.end('SIGKILL')
    await Promise.all(last)
    stop.abort()
    await ended
  } finally {
    await server.end('SIGKILL')
  }
  await using store = await openStore({ directory: join(options.directory, 'server') })
  const rows = await store.db.selectFrom('feedback').select('idempotency_key').execute()
  const stored = Map.groupBy(rows, ({ idempotency_key: key }) => key)
  return {
    ...latencies, acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((key) => !stored.has(key)).length,
    doubled: [...stored.values()].filter((same) => same.length > 1).length,
    tokensPerSecond: tokens / options.seconds,
  }
}

/** Sends an event over connections that stay open. */
function sender(url: string): (key: string, index: number) => Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return async (key, index) => {
    const body = JSON.stringify({
      completion_id: `chatcmpl-${key}`, name: 'thumbs', value: index % 3 > 0, tags: { feature: 'chat' }, user: `user-${index % 500}`, idempotency_key: key,
    })
    await new Promise<void>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      request(`${url}/v1/feedback`, { agent, method: 'POST', headers }, (response) => {
        response.resume().on('error', reject).on('end', () => {
          if (response.statusCode === 201) resolve()
          else reject(new Error(`status ${response.statusCode}`))
        })
      }).on('error', reject).end(body)
    })
  }
}
