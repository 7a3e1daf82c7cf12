/** The time between two tokens while a job trains, beside the same without one. */
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'
import { latenciesOf } from '../ours/open-loop.ts'
import { ask } from './client.ts'
import { loadRequests } from './prompts.ts'
import { baseName, startLoadServer, type LoadServerOptions } from './server.ts'

export interface TrainingOptions extends LoadServerOptions {
  readonly seconds: number
  readonly streams: readonly number[]
}

export interface TrainingReport {
  readonly streams: number
  /** Milliseconds between two tokens, p95. */
  readonly idle: number
  readonly training: number
  readonly ratio: number
  /** Until the first token, p95. */
  readonly idleFirst: number
  readonly trainingFirst: number
}

interface Times {
  readonly between: number
  readonly first: number
}

export async function decodingWhileTraining(options: TrainingOptions, log: (line: string) => void): Promise<TrainingReport[]> {
  const { server } = await startLoadServer(options)
  try {
    const measure = async (streams: number): Promise<Times> => {
      const times = await decode(server.url, streams, options.seconds)
      log(`${streams} streams: ${JSON.stringify(times)}`)
      return times
    }
    await decode(server.url, 1, 2)
    const idle: Times[] = []
    for (const streams of options.streams) idle.push(await measure(streams))
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
    const job = await startJob(client)
    log('the job trains')
    const training: Times[] = []
    for (const streams of options.streams) training.push(await measure(streams))
    const { status } = await client.fineTuning.jobs.retrieve(job)
    if (status !== 'running') throw new Error(`the job was ${status} before the measurement ended`)
    return options.streams.map((streams, i) => ({
      streams, idle: idle[i]!.between, training: training[i]!.between, ratio: training[i]!.between / idle[i]!.between,
      idleFirst: idle[i]!.first, trainingFirst: training[i]!.first,
    }))
  } finally {
    // In order, so that the job's process ends with it.
    await server.end('SIGTERM')
  }
}

async function decode(url: string, streams: number, seconds: number): Promise<Times> {
  const requests = loadRequests(24, [baseName])
  const until = performance.now() + seconds * 1000
  const gaps: number[] = []
  const firsts: number[] = []
  await Promise.all(Array.from({ length: streams }, async (_, i) => {
    for (let turn = i; performance.now() < until; turn += streams) {
      const answer = await ask(url, { ...requests[turn % requests.length]!, maxTokens: 128 }, { stream: true, store: false })
      gaps.push(...answer.gaps)
      if (answer.firstToken !== undefined) firsts.push(answer.firstToken)
    }
  }))
  return { between: latenciesOf(gaps).p95, first: latenciesOf(firsts).p95 }
}

/** A job that trains for longer than is measured; resolves when it is at its first steps. */
async function startJob(client: OpenAI): Promise<string> {
  const rows = Array.from({ length: 200 }, (_, i) => ({
    messages: [{ role: 'user', content: `Where is parcel ${i}? ${'It was sent last week. '.repeat(8)}` }, { role: 'assistant', content: `Parcel ${i} is on its way. ${'Please wait one more day. '.repeat(8)}` }],
  }))
  const file = await toFile(Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')), 'rows.jsonl')
  const { id: training } = await client.files.create({ file, purpose: 'fine-tune' })
  const { id } = await client.fineTuning.jobs.create({ model: baseName, training_file: training, method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 50 } } } })
  for (;;) {
    const { data } = await client.fineTuning.jobs.listEvents(id, { limit: 100 })
    if (data.some(({ message }) => /^Step [2-9]/.test(message))) return id
    await sleep(200)
  }
}
