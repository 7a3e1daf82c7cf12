/**
 * Instruction-following difficulty (IFD): how much of an answer's loss its instruction takes away. Li et al. 2024, "From
 * Quantity to Quality", eq. 3: the mean loss of the answer's tokens given the instruction, over their mean loss alone.
 * A low score: the instruction says it all, the model can do it already. Above 1 the instruction makes the answer less
 * likely: the two do not belong together. Between them, the higher the score the more there is to learn.
 *
 * Departs from the authors' code: "alone" is after the tokens with which the chat template begins an answer, so that every token of the
 * answer is scored on both sides; of a conversation its last answer counts, given all before it.
 */
import { messageOf, UserError } from '../errors.ts'
import type { Message, Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { Located } from './read.ts'
import { renderRow, type RenderOptions } from './render.ts'
import type { PromptCompletionRow, SftRow } from './rows.ts'

/** The authors' code divides mean losses; Superfiltering (Li et al. 2024) perplexities. Both cut at 1, and rank differently. */
export const ifdVariants = ['loss', 'perplexity'] as const
export type IfdVariant = (typeof ifdVariants)[number]

/** The token ids of an answer after its instruction, and alone; `answer` tokens at the end of both are scored. */
export interface AnswerTwice {
  readonly given: readonly number[]
  readonly alone: readonly number[]
  readonly answer: number
}

export interface AnswerOptions extends RenderOptions {
  /** Tokens of a row that are kept, from its start. */
  readonly maxLength: number
}

/**
 * The two sequences that a row's score is made of; undefined where `maxLength` leaves nothing of its answer.
 * @throws UserError that names the row, where it cannot be rendered or no answer ends it
 */
export function answerTwice({ row, where }: Located<SftRow>, tokenizer: Tokenizer, options: AnswerOptions): AnswerTwice | undefined {
  try {
    const { prompt, completion } = lastAnswer(row)
    const { ids, mask } = renderRow({ prompt, completion }, tokenizer, options)
    const start = mask.indexOf(1)
    const given = [...ids.subarray(0, options.maxLength)]
    if (start === -1 || start >= given.length) return undefined
    const beginning = tokenizer.addBos && tokenizer.bosTokenId !== undefined ? [tokenizer.bosTokenId] : []
    const isChat = typeof prompt !== 'string' || (tokenizer.hasTemplate && options.template !== 'none')
    const alone = [...beginning, ...(isChat ? answerHeader(prompt, tokenizer) : []), ...given.slice(start)]
    // Nothing predicts the first token of a sequence: where nothing stands before the answer, its first token counts on neither side.
    const answer = Math.min(given.length - start, alone.length - 1)
    return answer === 0 ? undefined : { given, alone, answer }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`${where}: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
}

/** Whether a row has answers before its last one, which its score says nothing of. */
export function hasEarlierAnswers(row: SftRow): boolean {
  return 'messages' in row && row.messages.filter(({ role }) => role === 'assistant').length > 1
}

function lastAnswer(row: SftRow): PromptCompletionRow {
  if (!('messages' in row)) return row
  const turn = row.messages.findLastIndex(({ role, weight }) => role === 'assistant' && weight !== 0)
  if (turn < 1) throw new UserError('no question stands before the answer.')
  return { prompt: row.messages.slice(0, turn), completion: [row.messages[turn]!] }
}

/** What a chat template writes between the last turn and the answer to it; may be empty. */
function answerHeader(prompt: PromptCompletionRow['prompt'], tokenizer: Tokenizer): number[] {
  const turns: Message[] = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt.map(({ role, content }) => ({ role, content }))
  const [asked, told] = [true, false].map((generationPrompt) => tokenizer.encodeChat(turns, { generationPrompt })) as [number[], number[]]
  return told.every((id, i) => asked[i] === id) ? asked.slice(told.length) : []
}

/** @param logprobs of all but the first token of `given` and of `alone` */
export function ifdOf({ answer }: AnswerTwice, [given, alone]: readonly [Float32Array, Float32Array], variant: IfdVariant): number {
  const [instructed, free] = [given, alone].map((logprobs) => meanLoss(logprobs.subarray(logprobs.length - answer))) as [number, number]
  return variant === 'loss' ? instructed / free : Math.exp(instructed - free)
}

function meanLoss(logprobs: Float32Array): number {
  return -logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length
}

/**
 * The places of the highest scores, in ascending order; those above 1 and those that are none (NaN) are never among them.
 * Of equal scores the first come first.
 */
export function selectHighest(scores: readonly number[], most: number): number[] {
  const usable = [...scores.keys()].filter((i) => scores[i]! <= 1)
  return usable.sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, most).sort((a, b) => a - b)
}
