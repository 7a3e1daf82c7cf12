/** The worker side of openLiveModel: one engine, which steps while there is work, and the adapters in memory. */
import { setPriority } from 'node:os'
import { UserError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import type { LoraConfig } from '../models/graph/lora.ts'
import { frozenParts, type Precision } from '../models/graph/parts.ts'
import { withRowLora, type AdaptedLayers } from '../models/graph/row-lora.ts'
import { openModel } from '../models/open.ts'
import { loadAdapterAside } from '../models/peft.ts'
import { prepareWeights } from '../models/prepare.ts'
import { serve } from '../runtime/worker.ts'
import { AdapterPool } from './adapter-pool.ts'
import { checkServed } from './check-adapter.ts'
import type { Completion } from './completion.ts'
import { Engine } from './engine.ts'
import type { AdapterRef, LiveRequest, LiveStats, LiveToken } from './live-model.ts'
import { packAdapter, type PackedAdapter } from './packed-adapter.ts'
import type { Submission } from './submission.ts'

export interface OpenLiveRequest {
  /** Directory or .gguf file. */
  readonly model: string
  readonly precision: Precision
  readonly threads: number | undefined
  /** Folder for prepared weights. */
  readonly cache: string
  readonly maxAdapters: number
  readonly maxRank: number
  readonly maxRows: number
  readonly cacheBytes: number
  readonly prefixBytes: number
  /** Graphs with slots for adapters that are compiled at once. */
  readonly ready: readonly AdaptedLayers[]
}

export interface LiveCall {
  /** The caller's name for the request, to cancel it by. */
  readonly ticket: number
  readonly request: LiveRequest
}

interface Opened {
  readonly engine: Engine
  readonly pool: AdapterPool
}

/** Few answers are longer; rows of those that are wait for the others where memory is short. */
const expectedTokens = 512

/** What is under way, by ticket: how to end it. */
const endings = new Map<number, () => void>()
let opened: Opened | undefined
let isStepping = false

serve<LiveToken>({
  async open(request: OpenLiveRequest): Promise<void> {
    giveWay()
    const { precision, threads, cache, maxAdapters, maxRank, maxRows, cacheBytes, prefixBytes, ready } = request
    const model = await openModel(request.model)
    const { config, tokenizer } = model
    const weights = prepareWeights(model, precision, cache)
    model.close()
    const parts = frozenParts(config, precision)
    const engine = await Engine.compile({
      device: 'cpu', threads, weights, config, tokenizer, parts, parameters: {},
      live: { limits: { rows: maxRows, cacheBytes, expectedTokens }, prefixBytes, adapted: (layers) => withRowLora(parts, config, layers) },
    })
    for (const layers of ready) await engine.prepare(layers)
    opened = { engine, pool: new AdapterPool((ref) => load(ref, config, (lora) => { checkServed(ref.directory, lora, maxRank) }), maxAdapters) }
  },

  async generate({ ticket, request }: LiveCall, emit): Promise<Completion[]> {
    const { engine, pool } = current()
    const cancelled = new Promise<never>((_, reject) => {
      endings.set(ticket, () => {
        endings.delete(ticket)
        reject(new UserError('the request was cancelled'))
      })
    })
    // Whoever waits for an adapter is told at once; the place is given back when it comes.
    cancelled.catch(() => undefined)
    let submission: Submission | undefined
    try {
      const adapter = request.adapter === undefined ? undefined : await Promise.race([acquire(request.adapter, () => endings.has(ticket)), cancelled])
      const answer = new Promise<Completion[]>((done, failed) => {
        submission = engine.submit(request, { token: (sample, taken) => { emit({ sample, ...taken }) }, done, failed }, { adapter })
      })
      stepOn(engine)
      return await Promise.race([answer, cancelled])
    } finally {
      endings.delete(ticket)
      if (submission !== undefined) {
        engine.cancel(submission)
        if (request.adapter !== undefined) pool.release(request.adapter.id)
      }
    }
  },

  cancel(ticket: number): void {
    endings.get(ticket)?.()
  },

  async pin(ref: AdapterRef): Promise<void> {
    await current().pool.pin(ref)
  },

  unpin(id: string): void {
    current().pool.unpin(id)
  },

  drop(id: string): void {
    const { engine, pool } = current()
    pool.drop(id)
    engine.forget(id)
  },

  stats(): LiveStats {
    const { engine, pool } = current()
    return {
      running: engine.runningRows,
      waiting: engine.waitingRequests,
      adapters: pool.ids,
      adapterBytes: pool.bytes,
      ...engine.counts,
      adapterLoads: pool.loads,
      adapterEvictions: pool.evictions,
    }
  },
})

/** Below what answers calls and writes to the store, above the jobs that train. */
const priority = 10

/**
 * Lets the other threads of the process go first: they need a moment, decoding all the time that there is. On Linux the
 * process 0 is the calling thread, and threads that it starts have its priority; elsewhere it is the whole process.
 */
function giveWay(): void {
  if (process.platform === 'linux') setPriority(0, priority)
}

/** An adapter of the pool; given back at once where it came too late. */
async function acquire(ref: AdapterRef, isWanted: () => boolean): Promise<PackedAdapter> {
  const { pool } = current()
  const adapter = await pool.acquire(ref)
  if (!isWanted()) pool.release(ref.id)
  return adapter
}

async function load({ id, directory }: AdapterRef, config: ModelConfig, check: (lora: LoraConfig) => void): Promise<PackedAdapter> {
  const packed = await packAdapter(id, await loadAdapterAside(directory, config, check), config, turn)
  await current().engine.prepare(packed.layers)
  return packed
}

/** Steps until there is nothing to do. Between two steps requests, cancellations and adapters come in. */
function stepOn(engine: Engine): void {
  if (isStepping) return
  isStepping = true
  void (async () => {
    while (engine.busy) {
      await engine.step()
      await turn()
    }
    isStepping = false
  })()
}

/** Lets the thread's other work go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

function current(): Opened {
  if (opened === undefined) throw new Error('the model was not opened')
  return opened
}
