import type { TokenBytes } from './token-bytes.ts'

/** A file by its name in the model directory. */
export interface TextFile {
  readonly name: string
  readonly content: string
}

/** One turn of a conversation. */
export interface Message {
  readonly role: string
  readonly content: string
  /** What the assistant asked to be called in this turn. */
  readonly toolCalls?: readonly ToolCall[] | undefined
  /** In a turn of the role `tool`: which tool answers. */
  readonly name?: string | undefined
}

export interface ToolCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** A function that the assistant may ask to be called, as the model is told of it. */
export interface Tool {
  readonly name: string
  readonly description?: string | undefined
  /** JSON schema of its arguments. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
}

export interface ChatOptions {
  /** End with the beginning of the assistant's turn. */
  readonly generationPrompt: boolean
  readonly tools?: readonly Tool[] | undefined
}

/** Text to token ids and back, and the model's chat template. */
export interface Tokenizer {
  readonly vocabSize: number
  /** False where the model has no chat template. */
  readonly hasTemplate: boolean
  /** Whether the chat template knows tools, and has calls written between `<tool_call>` and `</tool_call>`. */
  readonly hasTools: boolean
  /**
   * Token ids of `text`, with no beginning-of-sequence token added.
   * Control tokens written out in the text (`<|im_end|>`) become ordinary characters unless `control` is true.
   */
  encode(text: string, options?: { control?: boolean }): number[]
  /** Text of `ids`; control tokens are left out unless `control` is true. */
  decode(ids: readonly number[], options?: { control?: boolean }): string
  /**
   * Token ids of the conversation as the chat template renders it; no text of messages and tools can form control tokens.
   * Throws a UserError where there is no template, where it refuses the conversation, or where it knows nothing of tools.
   */
  encodeChat(messages: readonly Message[], options: ChatOptions): number[]
  /** The conversation as the chat template renders it, for people to read. */
  renderChat(messages: readonly Message[], options: ChatOptions): string
  /** The first control token that is written out in `text`. */
  findControl(text: string): string | undefined
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
  /** A text without a template starts with `bosTokenId`: what transformers' `tokenizer(text)` does for this model. */
  readonly addBos: boolean
  /** This tokenizer with another chat template (Jinja source) in place of its own. */
  withTemplate(template: string): Tokenizer
  /**
   * The bytes of every token.
   * @throws UserError where a token's text depends on its neighbours
   */
  tokenBytes(): TokenBytes
  /** The files that a Hugging Face directory needs for transformers to load this same tokenizer. */
  tokenizerFiles(): TextFile[]
}

/**
 * Turns a stream of token ids into printable text: holds back bytes that are not yet a whole character.
 * The pieces that `push` and `flush` return, joined, are `tokenizer.decode` of all ids.
 */
export class TokenStream {
  readonly #tokenizer: Pick<Tokenizer, 'decode'>
  readonly #ids: number[] = []
  /** Decoding starts here: one printed piece back, since a token's text may depend on the one before it. */
  #start = 0
  /** Ids before this one are printed. */
  #printed = 0
  #text = ''

  constructor(tokenizer: Pick<Tokenizer, 'decode'>) {
    this.#tokenizer = tokenizer
  }

  /** Everything printed so far. */
  get text(): string {
    return this.#text
  }

  /** Takes the next id; returns the text that can be printed now, often ''. */
  push(id: number): string {
    this.#ids.push(id)
    return this.#advance(text => !text.endsWith('\uFFFD'))
  }

  /** The rest at the end of the sequence, incomplete characters as U+FFFD. */
  flush(): string {
    return this.#advance(() => true)
  }

  #advance(whole: (text: string) => boolean): string {
    const before = this.#tokenizer.decode(this.#ids.slice(this.#start, this.#printed))
    const after = this.#tokenizer.decode(this.#ids.slice(this.#start))
    if (after.length <= before.length || !whole(after)) return ''
    this.#start = this.#printed
    this.#printed = this.#ids.length
    const piece = after.slice(before.length)
    this.#text += piece
    return piece
  }
}
