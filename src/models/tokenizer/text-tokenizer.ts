import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { UserError, messageOf } from '../../errors.ts'
import { ChatTemplate } from './chat-template.ts'
import { ControlTokens } from './control-tokens.ts'
import type { Segment } from './control-tokens.ts'
import { tokenBytes } from './token-bytes.ts'
import type { TokenBytes } from './token-bytes.ts'
import { innerPreTokenizer, portablePreTokenizer, startsWithSpecial } from './tokenizer-json.ts'
import type { TokenizerConfig, TokenizerJson } from './tokenizer-json.ts'
import type { ChatOptions, Message, TextFile, Tokenizer } from './tokenizer.ts'

/** What a tokenizer is made of, wherever it was stored. */
export interface TokenizerSource {
  /** Directory or file that it came from, for messages. */
  readonly name: string
  readonly json: TokenizerJson
  readonly config: TokenizerConfig
  /** Jinja source; undefined: the one in `config`, if any. */
  readonly template: string | undefined
  /** The Hugging Face files that describe this same tokenizer. */
  readonly files: readonly TextFile[]
}

/**
 * A tokenizer by @huggingface/tokenizers, as tokenizer.json describes it.
 *
 * The library is given every added token but the control tokens, so that no text can turn into one; splitting at
 * control tokens, where it is wanted, happens here.
 */
export class TextTokenizer implements Tokenizer {
  readonly source: TokenizerSource
  readonly vocabSize: number
  readonly bosTokenId: number | undefined
  readonly eosTokenId: number | undefined
  readonly addBos: boolean
  readonly #control: ControlTokens
  readonly #template: ChatTemplate | undefined
  readonly #library: LibraryTokenizer
  /** The same for text that does not begin the sequence; the same object for most models. */
  readonly #innerLibrary: LibraryTokenizer

  /** Throws a UserError where the library does not know a part of the tokenizer. */
  constructor(source: TokenizerSource) {
    const { json, config } = source
    this.source = source
    this.#control = new ControlTokens(json.added_tokens.filter(token => token.special))
    this.#library = createLibrary(source)
    this.#innerLibrary = createInnerLibrary(source, this.#library)
    this.vocabSize = 1 + highestId(json)
    this.bosTokenId = this.#idOf(config.bos_token)
    this.eosTokenId = this.#idOf(config.eos_token)
    this.addBos = this.bosTokenId !== undefined && (config.add_bos_token ?? startsWithSpecial(json.post_processor))
    const template = source.template ?? config.chat_template
    if (typeof template === 'string') this.#template = new ChatTemplate(template, namedTokens(config))
  }

  get hasTemplate(): boolean {
    return this.#template !== undefined
  }

  /** The chat template's Jinja source. */
  get template(): string | undefined {
    return this.#template?.source
  }

  encode(text: string, options: { control?: boolean } = {}): number[] {
    return this.#encodeSegments(options.control === true ? this.#control.split(text) : [text])
  }

  decode(ids: readonly number[], options: { control?: boolean } = {}): string {
    if (options.control !== true) return this.#decodeText(ids)
    let text = ''
    let run: number[] = []
    for (const id of ids) {
      const content = this.#control.content(id)
      if (content === undefined) {
        run.push(id)
        continue
      }
      text += this.#decodeText(run) + content
      run = []
    }
    return text + this.#decodeText(run)
  }

  get hasTools(): boolean {
    return this.#template?.hasTools === true
  }

  encodeChat(messages: readonly Message[], options: ChatOptions): number[] {
    const { text, restore } = this.#render(messages, options)
    return this.#encodeSegments(this.#control.split(text).map(segment => (typeof segment === 'string' ? restore(segment) : segment)))
  }

  renderChat(messages: readonly Message[], options: ChatOptions): string {
    const { text, restore } = this.#render(messages, options)
    return restore(text)
  }

  /** The rendering, in which the control tokens are the template's own, and what gives it its text back. */
  #render(messages: readonly Message[], { generationPrompt, tools = [] }: ChatOptions): { text: string; restore: (text: string) => string } {
    const template = this.#requireTemplate()
    const { conversation, restore } = this.#control.guard({ messages, tools }, template.source)
    return { text: template.render(conversation, generationPrompt), restore }
  }

  findControl(text: string): string | undefined {
    return this.#control.find(text)
  }

  withTemplate(template: string): TextTokenizer {
    const files = this.source.files.filter(file => file.name !== 'chat_template.jinja')
    const tokenizer = new TextTokenizer({
      ...this.source,
      template,
      files: [...files, { name: 'chat_template.jinja', content: template }],
    })
    tokenizer.#template?.check()
    return tokenizer
  }

  tokenBytes(): TokenBytes {
    return tokenBytes(this.source.json, this.source.name)
  }

  tokenizerFiles(): TextFile[] {
    return [...this.source.files]
  }

  #requireTemplate(): ChatTemplate {
    if (this.#template !== undefined) return this.#template
    throw new UserError(
      `${this.source.name}: this model has no chat template. Give one (template: FILE), ` +
        'or train and prompt it with raw text (template: none).',
    )
  }

  #encodeSegments(segments: readonly Segment[]): number[] {
    const ids: number[] = []
    segments.forEach((segment, index) => {
      if (typeof segment === 'number') {
        ids.push(segment)
        return
      }
      const library = index === 0 ? this.#library : this.#innerLibrary
      // One by one: a spread of a long text's ids would overflow the stack.
      for (const id of library.encode(segment, { add_special_tokens: false }).ids) ids.push(id)
    })
    return ids
  }

  #decodeText(ids: readonly number[]): string {
    const known = ids.filter(id => this.#control.content(id) === undefined && this.#library.id_to_token(id) !== undefined)
    if (known.length === 0) return ''
    return this.#library.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false })
  }

  #idOf(token: string | undefined): number | undefined {
    if (token === undefined) return undefined
    return this.#control.id(token) ?? this.#library.token_to_id(token)
  }
}

function createLibrary({ name, json, config }: TokenizerSource): LibraryTokenizer {
  const settings = {
    ...json,
    added_tokens: json.added_tokens.filter(token => !token.special),
    pre_tokenizer: portablePreTokenizer(json.pre_tokenizer),
    // Special tokens around a text are added by whoever needs them, never by the library.
    post_processor: null,
  }
  try {
    return new LibraryTokenizer(settings, config)
  } catch (error) {
    throw new UserError(`${name}: this tokenizer is of a kind that is not supported (${messageOf(error)}).`, { cause: error })
  }
}

function createInnerLibrary({ json, config }: TokenizerSource, outer: LibraryTokenizer): LibraryTokenizer {
  const inner = innerPreTokenizer(json.pre_tokenizer)
  if (JSON.stringify(inner) === JSON.stringify(json.pre_tokenizer)) return outer
  const library = new LibraryTokenizer(
    {
      ...json,
      added_tokens: json.added_tokens.filter(token => !token.special),
      pre_tokenizer: portablePreTokenizer(inner),
      post_processor: null,
      model: { type: 'BPE', vocab: {}, merges: [] },
    },
    config,
  )
  library.model = outer.model
  return library
}

function highestId(json: TokenizerJson): number {
  const { vocab } = json.model
  let highest = Array.isArray(vocab) ? vocab.length - 1 : -1
  if (!Array.isArray(vocab)) for (const id of Object.values(vocab)) highest = Math.max(highest, id)
  for (const token of json.added_tokens) highest = Math.max(highest, token.id)
  return highest
}

function namedTokens(config: TokenizerConfig): Record<string, string> {
  const tokens = {
    bos_token: config.bos_token,
    eos_token: config.eos_token,
    unk_token: config.unk_token,
    pad_token: config.pad_token,
  }
  return Object.fromEntries(Object.entries(tokens).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
