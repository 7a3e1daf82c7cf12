/** What a product's program does with OpenAI's client; what OpenAI's API does not have goes through its `post` and `put`. */
import OpenAI, { toFile } from 'openai'
import type { WireEvaluation, WireEvaluationItem, WireEvaluationItems } from '../../server/routes/evaluations-wire.ts'

export type Job = OpenAI.FineTuning.FineTuningJob
export type JobEvent = OpenAI.FineTuning.FineTuningJobEvent
export type JobParams = OpenAI.FineTuning.JobCreateParams
export type ChatCompletion = OpenAI.Chat.ChatCompletion
export type ChatParams = Omit<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming, 'stream'>
export type Message = OpenAI.Chat.ChatCompletionMessageParam

/** What of a dataset's report is shown. */
export interface Dataset {
  /** Names the version to a job: `dataset:NAME@VERSION`. */
  readonly reference: string
  readonly report: {
    readonly rows: number
    readonly splits: { readonly train: number; readonly eval: number }
    readonly dropped: Readonly<Record<string, number>>
  }
}

/** OpenAI's client of one server, every call of which ends when `signal` does. */
export class Client {
  readonly #client: OpenAI
  readonly signal: AbortSignal

  constructor(url: string, signal: AbortSignal) {
    // On loopback any key will do; without one the client does not start.
    this.#client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
    this.signal = signal
  }

  ask(params: ChatParams): Promise<ChatCompletion> {
    return this.#client.chat.completions.create(params, this.#options)
  }

  async stream(params: ChatParams): Promise<AsyncIterable<OpenAI.Chat.ChatCompletionChunk>> {
    return this.#client.chat.completions.create({ ...params, stream: true }, this.#options)
  }

  /** Uploads rows to train on. @returns the file's id */
  async upload(content: Uint8Array<ArrayBuffer>, name: string): Promise<string> {
    const { id } = await this.#client.files.create({ file: await toFile(content, name), purpose: 'fine-tune' }, this.#options)
    return id
  }

  /** @param posttrain what OpenAI's API has no words for: docs/serving.md */
  startJob(params: JobParams, posttrain: object): Promise<Job> {
    return this.#client.fineTuning.jobs.create({ ...params, posttrain } as JobParams, this.#options)
  }

  job(id: string): Promise<Job> {
    return this.#client.fineTuning.jobs.retrieve(id, this.#options)
  }

  /** A job's last events, the oldest first. */
  async events(id: string): Promise<JobEvent[]> {
    const { data } = await this.#client.fineTuning.jobs.listEvents(id, { limit: 100 }, this.#options)
    return data.toReversed()
  }

  /** @param adapter null: the base */
  async moveAlias(name: string, adapter: string | null, reason: string): Promise<void> {
    await this.#client.put(`/aliases/${name}`, { body: { adapter, reason }, ...this.#options })
  }

  /** The adapter that an alias points to; null: the base. */
  async alias(name: string): Promise<string | null> {
    const { adapter } = await this.#client.get<{ adapter: string | null }>(`/aliases/${name}`, this.#options)
    return adapter
  }

  /** Says something of a completion; the same twice counts once. */
  async feedback(completionId: string, name: string, value: unknown, index: number): Promise<void> {
    const body = { completion_id: completionId, choice_index: index, name, value, idempotency_key: `${completionId}-${index}-${name}` }
    await this.#client.post('/feedback', { body, ...this.#options })
  }

  makeDataset(body: object): Promise<Dataset> {
    return this.#client.post<Dataset>('/datasets', { body, ...this.#options })
  }

  /** Has a model measured, as the Studio shows it. */
  evaluate(body: object): Promise<WireEvaluation> {
    return this.#client.post<WireEvaluation>('/evaluations', { body, ...this.#options })
  }

  evaluation(id: string): Promise<WireEvaluation> {
    return this.#client.get<WireEvaluation>(`/evaluations/${id}`, this.#options)
  }

  /** The prompts of an evaluation with their answers, at most 1000. */
  async evaluationItems(id: string): Promise<readonly WireEvaluationItem[]> {
    const { data } = await this.#client.get<WireEvaluationItems>(`/evaluations/${id}/items?limit=1000`, this.#options)
    return data
  }

  get #options(): { readonly signal: AbortSignal } {
    return { signal: this.signal }
  }
}
