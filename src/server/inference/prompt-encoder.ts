import { UserError } from '../../errors.ts'
import type { ModelConfig } from '../../models/config.ts'
import { resolveModel } from '../../models/sources/source.ts'
import type { Message, Tokenizer, Tool } from '../../models/tokenizer/tokenizer.ts'
import { siblingModule, WorkerClient } from '../../runtime/worker.ts'
import { ApiError } from '../errors.ts'
import type { Conversation } from './encode-service.ts'
import { encodeChat, encodeText } from './encoding.ts'
import { tooLong } from './parameters.ts'

/** No tokenizer of ours has tokens that are longer on average: a text beyond it need not be encoded to be refused. */
const mostCharactersPerToken = 40
/** A longer text is encoded in a thread of its own: made for it, it takes seconds, in which no token of other answers would be sent. */
const mostCharactersAtOnce = 16_000

/** Encodes prompts without holding up everybody else. */
export class PromptEncoder implements AsyncDisposable {
  readonly #tokenizer: Tokenizer
  readonly #config: ModelConfig
  readonly #modelRef: string
  #worker: Promise<WorkerClient> | undefined

  /** @param modelRef what `model` was loaded from */
  constructor({ tokenizer, config }: { readonly tokenizer: Tokenizer; readonly config: ModelConfig }, modelRef: string) {
    this.#tokenizer = tokenizer
    this.#config = config
    this.#modelRef = modelRef
  }

  /** @throws ApiError 400 for a conversation that is too long by far, or that the model's template refuses */
  async chat(messages: readonly Message[], tools: readonly Tool[]): Promise<number[]> {
    const size = sizeOf(messages) + JSON.stringify(tools).length
    const conversation: Conversation = { messages, tools }
    try {
      const here = (): number[] => encodeChat(this.#tokenizer, messages, tools)
      return await this.#encode(size, 'messages', here, (worker) => worker.call('chat', conversation))
    } catch (error) {
      if (error instanceof UserError) throw new ApiError(400, error.message, { param: 'messages', cause: error })
      throw error
    }
  }

  /** @throws ApiError 400 for a text that is too long by far */
  async text(text: string): Promise<number[]> {
    return this.#encode(text.length, 'prompt', () => encodeText(this.#tokenizer, text), (worker) => worker.call('text', text))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#worker)?.close()
  }

  async #encode(
    size: number, param: string, here: () => number[], aside: (worker: WorkerClient) => Promise<number[]>,
  ): Promise<number[]> {
    const { maxPositions } = this.#config
    if (size > maxPositions * mostCharactersPerToken) throw tooLong(`${size} characters`, maxPositions, param)
    if (size <= mostCharactersAtOnce) return here()
    this.#worker ??= startWorker(this.#modelRef)
    return aside(await this.#worker)
  }
}

/** In characters. A message takes at least one token, however short it is. */
function sizeOf(messages: readonly Message[]): number {
  return messages.reduce((sum, { content, toolCalls }) =>
    sum + content.length + mostCharactersPerToken + (toolCalls === undefined ? 0 : JSON.stringify(toolCalls).length), 0)
}

async function startWorker(modelRef: string): Promise<WorkerClient> {
  const worker = new WorkerClient(siblingModule(import.meta, './encode-service'))
  await worker.call('open', await resolveModel(modelRef))
  return worker
}
