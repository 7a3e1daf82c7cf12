import { UserError } from '../errors.ts'
import type { Message, Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { MessagesRow, PromptCompletionRow, SftRow, Turns } from './rows.ts'

/** A training row as token ids. */
export interface RenderedRow {
  readonly ids: Int32Array
  /**
   * As long as `ids`: `mask[i]` is 1 where token i carries loss AS A TARGET, so where its prediction from the
   * tokens before it is trained. `mask[0]` is always 0: nothing predicts the first token. `mask.subarray(1)` is
   * the mask that goes with the `ids.length - 1` log-probabilities of a row.
   */
  readonly mask: Uint8Array
}

export interface RenderOptions {
  /** `none`: plain strings as they are, the end token appended. `auto`: by the tokenizer's chat template. */
  readonly template?: 'auto' | 'none'
  /** Ids that end a turn, beside the tokenizer's own end token (generation_config.json's). */
  readonly endTokenIds?: readonly number[]
}

/**
 * Token ids and loss mask of a row.
 *
 * `messages`: the whole rendering; each assistant turn carries loss from after the generation prompt through its
 * first end-of-turn token. `prompt`/`completion`: everything after the prompt carries loss, also what the template
 * writes after the end-of-turn token. Throws a UserError where the prompt's tokens are not a prefix of the row's.
 */
export function renderRow(row: SftRow, tokenizer: Tokenizer, options: RenderOptions = {}): RenderedRow {
  if ('messages' in row) return renderMessages(row, tokenizer, options)
  const raw = isRaw([row.prompt, row.completion], tokenizer, options)
  return raw ? renderPlain(row as { prompt: string; completion: string }, tokenizer) : renderTurns(row, tokenizer)
}

function renderMessages({ messages }: MessagesRow, tokenizer: Tokenizer, options: RenderOptions): RenderedRow {
  if (options.template === 'none') {
    throw new UserError('a row of messages needs a chat template, but the recipe says template: none.')
  }
  const turns = messages.map(asMessage)
  const ids = tokenizer.encodeChat(turns, { generationPrompt: false })
  const ends = new Set(options.endTokenIds)
  if (tokenizer.eosTokenId !== undefined) ends.add(tokenizer.eosTokenId)
  const mask = new Uint8Array(ids.length)
  messages.forEach((message, turn) => {
    if (message.role !== 'assistant' || message.weight === 0) return
    const prefix = tokenizer.encodeChat(turns.slice(0, turn), { generationPrompt: true })
    if (!isPrefix(prefix, ids)) {
      throw new UserError(
        `messages[${turn}]: the chat template renders the turns before this assistant turn differently once it is there, ` +
          'so its tokens cannot be told from theirs. Split the conversation so that this is its last turn.',
      )
    }
    const end = ids.findIndex((id, index) => index >= prefix.length && ends.has(id))
    if (end === -1 || end >= turnLimit(turns, turn, ids, tokenizer)) {
      const names = [...ends].map(id => tokenizer.decode([id], { control: true })).join(', ')
      throw new UserError(
        `messages[${turn}]: the chat template ends this assistant turn with none of the model's end tokens (${names}), ` +
          'so the model would never learn to stop. Use another template (template: FILE).',
      )
    }
    mask.fill(1, prefix.length, end + 1)
  })
  return rendered(ids, mask)
}

/**
 * Before this index ends what is rendered of turn `turn`: with another content, the next turn's tokens differ.
 * Without it a template that ends only the last turn would give this one the end token of a later one.
 */
function turnLimit(turns: readonly Message[], turn: number, ids: readonly number[], tokenizer: Tokenizer): number {
  const next = turns[turn + 1]
  if (next === undefined) return ids.length
  const changed = turns.with(turn + 1, { role: next.role, content: next.content === '' ? 'x' : '' })
  const others = tokenizer.encodeChat(changed, { generationPrompt: false })
  const difference = ids.findIndex((id, index) => id !== others[index])
  return difference === -1 ? ids.length : difference
}

function renderTurns({ prompt, completion }: PromptCompletionRow, tokenizer: Tokenizer): RenderedRow {
  const promptTurns = asTurns(prompt, 'user')
  const promptIds = tokenizer.encodeChat(promptTurns, { generationPrompt: true })
  const ids = tokenizer.encodeChat([...promptTurns, ...asTurns(completion, 'assistant')], { generationPrompt: false })
  return afterPrompt(promptIds, ids, 'the chat template renders the prompt differently once the completion follows it')
}

function renderPlain({ prompt, completion }: { prompt: string; completion: string }, tokenizer: Tokenizer): RenderedRow {
  if (tokenizer.eosTokenId === undefined) {
    throw new UserError('the tokenizer names no end token (eos_token), so the model could not learn to stop.')
  }
  const promptIds = [...beginning(tokenizer), ...tokenizer.encode(prompt)]
  const ids = [...beginning(tokenizer), ...tokenizer.encode(prompt + completion), tokenizer.eosTokenId]
  return afterPrompt(promptIds, ids, 'a token spans the end of the prompt and the beginning of the completion; ' +
    'let the prompt end before a space or line break and the completion begin with it')
}

/** Token ids of a prompt as the model answers it: with the generation prompt, or as it is where there is no template. */
export function renderPrompt(prompt: Turns, tokenizer: Tokenizer, options: RenderOptions = {}): Int32Array {
  const raw = isRaw([prompt], tokenizer, options)
  return Int32Array.from(raw
    ? [...beginning(tokenizer), ...tokenizer.encode(prompt as string)]
    : tokenizer.encodeChat(asTurns(prompt, 'user'), { generationPrompt: true }))
}

function beginning({ addBos, bosTokenId }: Tokenizer): number[] {
  return addBos && bosTokenId !== undefined ? [bosTokenId] : []
}

function afterPrompt(promptIds: readonly number[], ids: readonly number[], reason: string): RenderedRow {
  if (!isPrefix(promptIds, ids)) {
    throw new UserError(`the prompt's tokens are not the first of the row's: ${reason}.`)
  }
  return rendered(ids, new Uint8Array(ids.length).fill(1, promptIds.length))
}

function rendered(ids: readonly number[], mask: Uint8Array): RenderedRow {
  if (mask.length > 0) mask[0] = 0
  return { ids: Int32Array.from(ids), mask }
}

/** Whether turns are plain strings that are to be taken as they are; false where the chat template renders them. */
function isRaw(turns: readonly Turns[], tokenizer: Tokenizer, options: RenderOptions): boolean {
  const plain = turns.every(turn => typeof turn === 'string')
  if (options.template === 'none' && !plain) {
    throw new UserError('prompts and completions must be plain strings where the recipe says template: none.')
  }
  return plain && (options.template === 'none' || !tokenizer.hasTemplate)
}

function asTurns(turns: Turns, role: string): Message[] {
  return typeof turns === 'string' ? [{ role, content: turns }] : turns.map(asMessage)
}

function asMessage({ role, content }: Message): Message {
  return { role, content }
}

function isPrefix(prefix: readonly number[], ids: readonly number[]): boolean {
  return prefix.length <= ids.length && prefix.every((id, index) => id === ids[index])
}

/** The first `maxLength` tokens of a row; the row itself where it is not longer. */
export function truncateRow(row: RenderedRow, maxLength: number): RenderedRow {
  if (row.ids.length <= maxLength) return row
  return { ids: row.ids.slice(0, maxLength), mask: row.mask.slice(0, maxLength) }
}
