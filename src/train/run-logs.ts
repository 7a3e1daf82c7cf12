/** The logs of a run, kept up to date for whoever watches it. */
import type { FileHandle } from 'node:fs/promises'
import { GrowingLines, openPlain, type LineSink } from './growing-lines.ts'
import { MetricColumns, metricSink, parseRecord } from './metric-columns.ts'
import type { Sample, StoredEvent } from './records.ts'
import { runPaths } from './run-folder.ts'

/** An event that is no evaluation: those are columns. */
export type PlainEvent = Exclude<StoredEvent, { readonly type: 'evaluation' }>

/** A sample and its place among the run's. */
export interface PlacedSample extends Sample {
  readonly place: number
}

export interface SampleRequest {
  /** Only those before this place; all unless given. */
  readonly before?: number | undefined
  readonly limit: number
  readonly split?: Sample['split'] | undefined
}

/** Of events that are no evaluations, the last ones are kept. */
const mostEvents = 1000

/** Reads the logs of the run in a folder; what was read once stays in memory, samples but for their places. */
export class RunLogs {
  readonly metrics = new MetricColumns()
  /** Held-out and general loss, reward, and what else was measured, by step. */
  readonly evaluations = new MetricColumns()
  #events: PlainEvent[] = []
  readonly #samples: SamplePlaces
  readonly #metricLines: GrowingLines
  readonly #eventLines: GrowingLines

  constructor(folder: string) {
    const paths = runPaths(folder)
    this.#samples = new SamplePlaces(paths.samples)
    this.#metricLines = new GrowingLines(paths.metrics, metricSink(this.metrics))
    this.#eventLines = new GrowingLines(paths.events, this.#eventSink())
  }

  get events(): readonly PlainEvent[] {
    return this.#events
  }

  /** Bytes that are taken, nearly. */
  get bytes(): number {
    return this.metrics.bytes + this.evaluations.bytes + this.#samples.bytes + this.#events.length * 300
  }

  /** Reads what was added to metrics and events. */
  async refresh(): Promise<void> {
    await Promise.all([this.#metricLines.refresh(), this.#eventLines.refresh()])
  }

  /** The newest samples first. @returns `hasMore`: there are older ones */
  async samples(request: SampleRequest): Promise<{ readonly samples: readonly PlacedSample[]; readonly hasMore: boolean }> {
    return this.#samples.page(request)
  }

  #eventSink(): LineSink {
    return {
      line: (bytes) => {
        const event = parseRecord(bytes.toString()) as StoredEvent | undefined
        if (event === undefined) return
        if (event.type === 'evaluation') this.evaluations.add(event.step, event)
        else this.#events.push(event)
        if (this.#events.length > mostEvents * 1.5) this.#events = this.#events.slice(-mostEvents)
      },
      clear: () => {
        this.#events = []
        this.evaluations.clear()
      },
    }
  }
}

/** What the line of a sample begins with, as this program writes it. */
const sampleHead = /^\{"step":\d+,"split":"(train|eval)"/

/** Where each sample lies in samples.jsonl: their texts may be many. */
class SamplePlaces implements LineSink {
  readonly #path: string
  readonly #lines: GrowingLines
  #starts: number[] = []
  #lengths: number[] = []
  #held: boolean[] = []

  constructor(path: string) {
    this.#path = path
    this.#lines = new GrowingLines(path, this)
  }

  get bytes(): number {
    return this.#starts.length * 20
  }

  line(bytes: Buffer, at: number): void {
    const split = sampleHead.exec(bytes.toString('latin1', 0, 80))?.[1] ?? parseRecord(bytes.toString())?.['split']
    if (split === undefined) return
    this.#starts.push(at)
    this.#lengths.push(bytes.length)
    this.#held.push(split === 'eval')
  }

  clear(): void {
    this.#starts = []
    this.#lengths = []
    this.#held = []
  }

  async page({ before = Infinity, limit, split }: SampleRequest): Promise<{ samples: PlacedSample[]; hasMore: boolean }> {
    await this.#lines.refresh()
    const places: number[] = []
    let place = Math.min(before, this.#starts.length) - 1
    for (; place >= 0 && places.length < limit; place--) if (this.#fits(place, split)) places.push(place)
    while (place >= 0 && !this.#fits(place, split)) place -= 1
    const file = places.length === 0 ? undefined : await openPlain(this.#path)
    if (file === undefined) return { samples: [], hasMore: false }
    try {
      const samples = await Promise.all(places.map((each) => this.#sample(file, each)))
      return { samples: samples.filter((sample) => sample !== undefined), hasMore: place >= 0 }
    } finally {
      await file.close()
    }
  }

  #fits(place: number, split: Sample['split'] | undefined): boolean {
    return split === undefined || this.#held[place] === (split === 'eval')
  }

  /** undefined where the log was cut back this moment. */
  async #sample(file: FileHandle, place: number): Promise<PlacedSample | undefined> {
    const length = this.#lengths[place]!
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, this.#starts[place])
    const record = parseRecord(buffer.toString()) as Sample | undefined
    return record === undefined ? undefined : { place, ...record }
  }
}

/** Keeps the logs of the runs that were asked for last, up to some bytes. */
export class RunLogsCache {
  readonly #most: number
  readonly #kept = new Map<string, RunLogs>()

  constructor(most = 128 * 1024 * 1024) {
    this.#most = most
  }

  /** The logs of a run, read up to now. */
  async get(folder: string): Promise<RunLogs> {
    const logs = this.#kept.get(folder) ?? new RunLogs(folder)
    this.#kept.delete(folder)
    this.#kept.set(folder, logs)
    await logs.refresh()
    this.#thin()
    return logs
  }

  /** Gives up those that were asked for longest ago; the last stays whatever it takes. */
  #thin(): void {
    let bytes = [...this.#kept.values()].reduce((sum, logs) => sum + logs.bytes, 0)
    for (const [folder, logs] of this.#kept) {
      if (bytes <= this.#most || this.#kept.size === 1) return
      this.#kept.delete(folder)
      bytes -= logs.bytes
    }
  }
}
