/** What Prometheus reads at /metrics. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Capture } from '../feedback/capture.ts'
import type { LiveModel, LiveStats } from '../generate/live-model.ts'
import { countAll, countJobs } from '../registry/counts.ts'
import type { Store } from '../store/index.ts'

const latencies = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const tokenTimes = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5]

/** Counts and times of one server. */
export class Metrics {
  readonly registry = new Registry()
  readonly #requests: Counter<'method' | 'route' | 'status'>
  readonly #duration: Histogram<'route'>
  readonly #firstToken: Histogram
  readonly #betweenTokens: Histogram

  constructor(model: Pick<LiveModel, 'stats'>, store: Store, capture: Pick<Capture, 'counts'>) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.#requests = new Counter({
      name: 'posttrain_requests_total', help: 'Requests, by method, route and status', registers,
      labelNames: ['method', 'route', 'status'],
    })
    this.#duration = new Histogram({
      name: 'posttrain_request_duration_seconds', help: 'Time until the answer began', registers,
      labelNames: ['route'], buckets: latencies,
    })
    this.#firstToken = new Histogram({
      name: 'posttrain_time_to_first_token_seconds', help: 'Time from a request to its first token', buckets: latencies, registers,
    })
    this.#betweenTokens = new Histogram({
      name: 'posttrain_inter_token_seconds', help: 'Time between two tokens of an answer', buckets: tokenTimes, registers,
    })
    registerEngine(this.registry, model)
    registerStore(this.registry, store)
    registerCapture(this.registry, capture)
  }

  request(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status })
    this.#duration.observe({ route }, seconds)
  }

  /** A clock for one request's answers, from now on. */
  answering(): { token(sample: number): void } {
    const start = performance.now()
    const last = new Map<number, number>()
    return {
      token: (sample) => {
        const now = performance.now()
        const before = last.get(sample)
        if (before !== undefined) this.#betweenTokens.observe((now - before) / 1000)
        else if (last.size === 0) this.#firstToken.observe((now - start) / 1000)
        last.set(sample, now)
      },
    }
  }
}

interface EngineFigure {
  readonly name: string
  readonly help: string
  readonly value: (stats: LiveStats) => number
}

const gauges: readonly EngineFigure[] = [
  { name: 'posttrain_rows_running', help: 'Answers that are computed', value: ({ running }) => running },
  { name: 'posttrain_requests_waiting', help: 'Requests that wait for a place', value: ({ waiting }) => waiting },
  { name: 'posttrain_adapters_in_memory', help: 'Adapters in memory', value: ({ adapters }) => adapters.length },
  { name: 'posttrain_adapter_bytes', help: 'Bytes of the adapters in memory', value: ({ adapterBytes }) => adapterBytes },
]

const counters: readonly EngineFigure[] = [
  { name: 'posttrain_prompt_tokens_total', help: 'Tokens of prompts', value: ({ promptTokens }) => promptTokens },
  { name: 'posttrain_cached_prompt_tokens_total', help: 'Of these, those that were computed before', value: (stats) => stats.cachedPromptTokens },
  { name: 'posttrain_completion_tokens_total', help: 'Generated tokens', value: ({ completionTokens }) => completionTokens },
  { name: 'posttrain_adapter_loads_total', help: 'Adapters read into memory', value: ({ adapterLoads }) => adapterLoads },
  { name: 'posttrain_adapter_evictions_total', help: 'Adapters that had to leave memory', value: ({ adapterEvictions }) => adapterEvictions },
]

/** The engine counts by itself; its figures are taken over when they are asked for. */
function registerEngine(registry: Registry, model: Pick<LiveModel, 'stats'>): void {
  const registers = [registry]
  for (const { name, help, value } of gauges) {
    new Gauge({ name, help, registers, async collect() { this.set(value(await model.stats())) } })
  }
  for (const { name, help, value } of counters) {
    new Counter({
      name, help, registers,
      async collect() {
        const total = value(await model.stats())
        this.reset()
        this.inc(total)
      },
    })
  }
}

function registerStore(registry: Registry, store: Store): void {
  const registers = [registry]
  for (const [table, help] of [['adapters', 'Adapters that can be asked for'], ['feedback', 'Feedback that is stored']] as const) {
    new Gauge({ name: `posttrain_${table}_stored`, help, registers, async collect() { this.set(await countAll(store, table)) } })
  }
  new Gauge({
    name: 'posttrain_jobs', help: 'Fine-tuning jobs, by status', labelNames: ['status'], registers,
    async collect() {
      const counts = await countJobs(store)
      this.reset()
      for (const [status, count] of counts) this.set({ status }, count)
    },
  })
}

function registerCapture(registry: Registry, { counts }: Pick<Capture, 'counts'>): void {
  new Counter({
    name: 'posttrain_completions_recorded_total', help: 'Completions that were to be stored, and whether they were',
    labelNames: ['outcome'], registers: [registry],
    collect() {
      this.reset()
      this.inc({ outcome: 'stored' }, counts.recorded)
      this.inc({ outcome: 'failed' }, counts.failed)
    },
  })
}
