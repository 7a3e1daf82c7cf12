/** Many clients at once, some of whom go away: whether each gets its own answer, how fast, and what memory does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../src/random.ts'
import { latenciesOf, type Latencies } from '../ours/open-loop.ts'
import { ask, post, type Answer } from './client.ts'
import { loadRequests, type LoadRequest } from './prompts.ts'
import { residentMb, startLoadServer, type LoadServerOptions } from './server.ts'

export interface ClientsOptions extends LoadServerOptions {
  readonly clients: number
  readonly seconds: number
  /** Distinct requests; each is answered alone first. */
  readonly requests: number
  /** As `loadRequests` takes it. */
  readonly filler?: number | undefined
  /** Share of requests that are given up. */
  readonly cancels: number
  /** The longest that one that gives up waits, milliseconds. */
  readonly patience: number
  readonly seed: number
}

export interface ClientsReport {
  readonly answered: number
  readonly cancelled: number
  /** Errors other than those that a cancel makes. */
  readonly lost: number
  readonly identical: number
  /** Answers that left the one given alone at a token that was nearly as likely, and the largest difference of the log-probabilities. */
  readonly near: number
  readonly largestGap: number
  /** Answers that are neither. */
  readonly wrong: number
  /** Answers with the canary of another prompt. */
  readonly mixed: number
  readonly tokensPerSecond: number
  readonly latency: Latencies
  readonly firstToken: Latencies
  readonly interToken: Latencies
  /** Rows that run when all is over. */
  readonly runningAfter: number
  readonly memory: { readonly firstMb: number; readonly lastMb: number; readonly slopeMbPerMinute: number }
}

/** What a request answers alone: its text, token by token, and the likeliest tokens at each place. */
interface Alone {
  readonly text: string
  readonly tokens: readonly { readonly token: string; readonly logprob: number; readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[] }[]
}

export async function loadByClients(options: ClientsOptions, log: (line: string) => void): Promise<ClientsReport> {
  const { server, models } = await startLoadServer(options)
  try {
    const { url, pid } = server
    const requests = loadRequests(options.requests, models, options.filler)
    const expected: Alone[] = []
    for (const request of requests) expected.push(await alone(url, request))
    log(`${requests.length} requests answered alone`)
    const stopped = new AbortController()
    const memory = watchMemory(pid, stopped.signal)
    const tally = new Tally(requests, expected, options)
    const start = performance.now()
    const client = async (index: number): Promise<void> => {
      const random = new Random(options.seed, index)
      while (performance.now() - start < options.seconds * 1000) await tally.turn(url, random)
    }
    await Promise.all(Array.from({ length: options.clients }, async (_, i) => client(i)))
    const seconds = (performance.now() - start) / 1000
    stopped.abort()
    const runningAfter = await runningRows(url)
    return { ...tally.report(seconds), runningAfter, memory: slopeOf(await memory) }
  } finally {
    await server.end('SIGKILL')
  }
}

async function alone(url: string, { model, messages, maxTokens }: LoadRequest): Promise<Alone> {
  const response = await post(url, '/v1/chat/completions', { model, messages, max_tokens: maxTokens, temperature: 0, logprobs: true, top_logprobs: 10, store: false })
  const { choices: [choice] } = await response.json() as { choices: { message: { content: string }; logprobs: { content: Alone['tokens'] } }[] }
  return { text: choice!.message.content, tokens: choice!.logprobs.content }
}

class Tally {
  readonly #requests: readonly LoadRequest[]
  readonly #expected: readonly Alone[]
  readonly #cancels: number
  readonly #patience: number
  readonly #counts = { answered: 0, cancelled: 0, lost: 0, identical: 0, near: 0, wrong: 0, mixed: 0 }
  readonly #latencies: number[] = []
  readonly #firstTokens: number[] = []
  readonly #gaps: number[] = []
  #tokens = 0
  #largestGap = 0

  constructor(requests: readonly LoadRequest[], expected: readonly Alone[], { cancels, patience }: ClientsOptions) {
    this.#requests = requests
    this.#expected = expected
    this.#cancels = cancels
    this.#patience = patience
  }

  /** One request of one client, which may give it up. */
  async turn(url: string, random: Random): Promise<void> {
    const index = Math.floor(random.uniform() * this.#requests.length)
    const isGivenUp = random.uniform() < this.#cancels
    const abort = new AbortController()
    const timer = isGivenUp ? setTimeout(() => { abort.abort() }, random.uniform() * this.#patience) : undefined
    try {
      this.#hear(index, await ask(url, this.#requests[index]!, { stream: random.uniform() < 0.5, signal: abort.signal }))
    } catch (error) {
      if (abort.signal.aborted) this.#counts.cancelled++
      else {
        this.#counts.lost++
        process.stderr.write(`lost: ${String(error)}\n`)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #hear(index: number, { text, tokens, latency, firstToken, gaps }: Answer): void {
    this.#counts.answered++
    this.#tokens += tokens
    this.#latencies.push(latency)
    if (firstToken !== undefined) this.#firstTokens.push(firstToken)
    this.#gaps.push(...gaps)
    const gap = distance(this.#expected[index]!, text)
    if (gap > 0 && this.#requests.some(({ canary }, other) => other !== index && text.includes(canary))) this.#counts.mixed++
    if (gap === 0) this.#counts.identical++
    else if (gap <= 0.02) this.#counts.near++
    else this.#counts.wrong++
    if (Number.isFinite(gap)) this.#largestGap = Math.max(this.#largestGap, gap)
  }

  report(seconds: number) {
    return {
      ...this.#counts, largestGap: this.#largestGap, tokensPerSecond: this.#tokens / seconds, latency: latenciesOf(this.#latencies),
      firstToken: latenciesOf(this.#firstTokens), interToken: latenciesOf(this.#gaps),
    }
  }
}

/** 0 for the same text; else how much less likely the first other token was than the one in its place; Infinity where it was none of the likeliest. */
function distance({ text, tokens }: Alone, other: string): number {
  if (text === other) return 0
  let at = 0
  for (const { token, logprob, top_logprobs: top } of tokens) {
    const rest = other.slice(at)
    if (rest.startsWith(token)) {
      at += token.length
      continue
    }
    const taken = top.filter((each) => each.token !== token && rest.startsWith(each.token)).map((each) => logprob - each.logprob)
    return taken.length === 0 ? Infinity : Math.max(Number.MIN_VALUE, Math.min(...taken))
  }
  return Infinity
}

async function runningRows(url: string): Promise<number> {
  for (let tries = 0; ; tries++) {
    const text = await (await fetch(`${url}/metrics`)).text()
    const running = Number(/^posttrain_rows_running (\d+)$/m.exec(text)![1]) + Number(/^posttrain_requests_waiting (\d+)$/m.exec(text)![1])
    if (running === 0 || tries === 50) return running
    await sleep(100)
  }
}

/** Resident memory once a second, MB. */
async function watchMemory(pid: number, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = []
  while (!signal.aborted) {
    samples.push(residentMb(pid))
    await sleep(1000, undefined, { signal }).catch(() => undefined)
  }
  return samples
}

/** The least-squares slope of the second half. */
function slopeOf(samples: readonly number[]): ClientsReport['memory'] {
  const half = samples.slice(Math.floor(samples.length / 2))
  const middle = (half.length - 1) / 2
  const mean = half.reduce((sum, value) => sum + value, 0) / half.length
  const covariance = half.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0)
  const variance = half.reduce((sum, _, i) => sum + (i - middle) ** 2, 0)
  return { firstMb: samples[0]!, lastMb: samples.at(-1)!, slopeMbPerMinute: variance === 0 ? 0 : (60 * covariance) / variance }
}
