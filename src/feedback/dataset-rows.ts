/** Feedback becomes rows to learn from: data/rows.ts has their shapes. */
import { roles, type LabelRow, type PairRow, type PromptRow, type RowMessage, type SftRow, type Turns } from '../data/rows.ts'
import type { Store } from '../store/index.ts'
import {
  answerKey, completionSources, feedbackSources, findAnswers, findDisliked, type KnownAnswer, type SourceCompletion, type SourceFeedback,
} from './dataset-sources.ts'
import type { DatasetSpec } from './dataset-spec.ts'
import type { ChatMessage } from './record.ts'
import type { Redactor } from './redact.ts'
import type { ChoiceValue } from './values.ts'

/** Why something that the filter let through became no row. */
export type DropReason =
  | 'text_completion' | 'deleted' | 'no_such_answer' | 'not_text' | 'empty_answer' | 'cut_off' | 'neutral_rating' | 'disputed'
  | 'correction_changes_nothing' | 'choice_not_stored' | 'choice_of_different_prompts' | 'choice_of_different_users' | 'choice_of_equal_answers'

/** A row, and where it comes from. */
export interface Candidate {
  readonly row: SftRow | LabelRow | PairRow | PromptRow
  /** What the row was made of: `thumbs`, `rating`, `correction`, `choice`, `prompt`, `file`. */
  readonly origin: string
  /** Its place in the file that it is from. */
  readonly where?: string
  readonly completionId: string | null
  readonly feedbackId: string | null
  readonly userId: string | null
  readonly conversationId: string
  /** The same for the same prompt. */
  readonly promptHash: string
  /** For the search for near duplicates: see `questionOf`. */
  readonly question: string
}

/** What became no row, and why. */
export interface Drop {
  readonly drop: DropReason
  readonly completionId: string
  readonly feedbackId: string | null
}

export type Outcome = Candidate | Drop

/** The rows that a dataset could have, the newest first, in pages; what became none says why. */
export async function* candidates(store: Store, spec: DatasetSpec, redactor: Redactor): AsyncIterable<readonly Outcome[]> {
  if (spec.kind === 'prompts') {
    for await (const page of completionSources(store, spec, redactor)) {
      yield page.map((completion) => attempt({ completionId: completion.id, feedbackId: null }, () => promptRow(completion, spec)))
    }
    return
  }
  for await (const page of feedbackSources(store, spec, redactor)) {
    const beside = await knownBeside(store, page, spec)
    yield page.map((said) => attempt({ completionId: said.completion.id, feedbackId: said.id }, () => rowOf(said, spec, beside)))
  }
}

/** What has to be known besides the feedback itself. */
interface Beside {
  /** The answers between which was chosen. */
  readonly answers: ReadonlyMap<string, KnownAnswer>
  /** Answers with a thumb down. */
  readonly disliked: ReadonlySet<string>
}

async function knownBeside(store: Store, page: readonly SourceFeedback[], { kind }: DatasetSpec): Promise<Beside> {
  return {
    answers: await findAnswers(store, page.filter(({ name }) => name === 'choice').flatMap(otherCompletions)),
    disliked: await findDisliked(store, kind === 'sft' ? page.map(({ completion }) => completion.id) : []),
  }
}

function otherCompletions({ value_json: value }: SourceFeedback): string[] {
  if (value === null) return []
  const { chosen, rejected } = JSON.parse(value) as ChoiceValue
  return [chosen.completion_id, rejected.completion_id]
}

/** Thrown where something is no row, and caught at once. */
class Dropped extends Error {
  readonly reason: DropReason

  constructor(reason: DropReason) {
    super(reason)
    this.reason = reason
  }
}

function attempt(of: Pick<Drop, 'completionId' | 'feedbackId'>, make: () => Candidate): Outcome {
  try {
    return make()
  } catch (error) {
    if (error instanceof Dropped) return { drop: error.reason, ...of }
    throw error
  }
}

function promptRow(completion: SourceCompletion, { options }: DatasetSpec): Candidate {
  const metadata = JSON.parse(completion.metadata_json) as Record<string, string>
  const fields = options.fields.flatMap((field) => (Object.hasOwn(metadata, field) ? [[field, metadata[field]]] : []))
  return candidate(completion, 'prompt', null, (prompt) => ({ prompt, ...Object.fromEntries(fields) as Record<string, string> }))
}

function rowOf(said: SourceFeedback, spec: DatasetSpec, { answers, disliked }: Beside): Candidate {
  if (said.value_json === null) throw new Dropped('deleted')
  switch (spec.kind) {
    case 'labelled': return labelRow(said, spec)
    case 'pairs': return said.name === 'choice' ? choiceRow(said, answers) : correctionPair(said)
    default: return demonstration(said, spec, disliked)
  }
}

/** Thumbs, and ratings where the options say what they mean. */
function labelRow(said: SourceFeedback, { options }: DatasetSpec): Candidate {
  const { rating_up: up = Infinity, rating_down: down = -Infinity } = options
  const label = said.name === 'thumbs' ? said.number === 1 : said.number! >= up
  if (said.name === 'rating' && !label && said.number! > down) throw new Dropped('neutral_rating')
  return candidate(said.completion, said.name, said, (prompt) => ({ prompt, completion: [answerOf(said.answer, label)], label }))
}

/** What the user made of the answer is better than the answer. */
function correctionPair(said: SourceFeedback): Candidate {
  const chosen = turnOf(JSON.parse(said.value_json!) as ChatMessage)
  const rejected = answerOf(said.answer, false)
  if (chosen.content.trim() === rejected.content.trim()) throw new Dropped('correction_changes_nothing')
  return candidate(said.completion, 'correction', said, (prompt) => ({ prompt, chosen: [chosen], rejected: [rejected] }))
}

function choiceRow(said: SourceFeedback, answers: ReadonlyMap<string, KnownAnswer>): Candidate {
  const choice = JSON.parse(said.value_json!) as ChoiceValue
  const [chosen, rejected] = [answers.get(answerKey(choice.chosen)), answers.get(answerKey(choice.rejected))]
  if (chosen === undefined || rejected === undefined) throw new Dropped('choice_not_stored')
  if (chosen.prompt_hash !== rejected.prompt_hash) throw new Dropped('choice_of_different_prompts')
  // Otherwise a row would hold the words of two users, and know of one.
  if (chosen.owner !== rejected.owner) throw new Dropped('choice_of_different_users')
  const [better, worse] = [answerOf(chosen, true), answerOf(rejected, false)]
  if (better.content === worse.content) throw new Dropped('choice_of_equal_answers')
  return candidate(said.completion, 'choice', said, (prompt) => ({ prompt, chosen: [better], rejected: [worse] }))
}

/** Corrections, and answers that were liked and that nobody disliked. Turns of the assistant before the one that was judged carry no loss. */
function demonstration(said: SourceFeedback, { options }: DatasetSpec, disliked: ReadonlySet<string>): Candidate {
  if (said.name === 'rating' && said.number! < options.min_rating!) throw new Dropped('neutral_rating')
  if (said.name === 'thumbs' && said.number !== 1) throw new Dropped('neutral_rating')
  const key = answerKey({ completion_id: said.completion.id, choice_index: said.position })
  if (said.name !== 'correction' && disliked.has(key)) throw new Dropped('disputed')
  const answer = said.name === 'correction' ? turnOf(JSON.parse(said.value_json!) as ChatMessage) : answerOf(said.answer, true)
  if (answer.content.trim() === '') throw new Dropped('empty_answer')
  return candidate(said.completion, said.name, said, (prompt) => ({
    messages: [...prompt.map((turn) => (turn.role === 'assistant' ? { ...turn, weight: 0 as const } : turn)), answer],
  }))
}

function candidate(
  completion: SourceCompletion,
  origin: string,
  said: SourceFeedback | null,
  make: (prompt: RowMessage[]) => Candidate['row'],
): Candidate {
  if (completion.kind === 'text') throw new Dropped('text_completion')
  if (completion.prompt_json === null) throw new Dropped('deleted')
  const prompt = (JSON.parse(completion.prompt_json) as ChatMessage[]).map(turnOf)
  return {
    row: make(prompt),
    origin,
    completionId: completion.id,
    feedbackId: said?.id ?? null,
    userId: completion.user_id ?? said?.user_id ?? null,
    conversationId: completion.conversation_id,
    promptHash: completion.prompt_hash,
    question: questionOf(prompt),
  }
}

/** What the user asked: a prompt without its system messages. */
export function questionOf(prompt: Turns): string {
  if (typeof prompt === 'string') return prompt
  return prompt.filter(({ role }) => role !== 'system' && role !== 'developer').map(({ content }) => content).join('\n')
}

/** @param wanted whether the model is to answer so */
function answerOf(answer: SourceFeedback['answer'], wanted: boolean): RowMessage {
  if (answer === undefined) throw new Dropped('no_such_answer')
  if (answer.message_json === null) throw new Dropped('deleted')
  // Its end is not one: who learns it learns to stop anywhere.
  if (wanted && answer.finish_reason === 'length') throw new Dropped('cut_off')
  const turn = turnOf(JSON.parse(answer.message_json) as ChatMessage)
  if (wanted && turn.content.trim() === '') throw new Dropped('empty_answer')
  return turn
}

const known: readonly string[] = roles

/** A turn of a row has a text and nothing that only some templates render. */
function turnOf({ role, content, name, ...rest }: ChatMessage): RowMessage {
  const calls = rest['tool_calls'] ?? rest['function_call']
  if (typeof content !== 'string' || calls !== undefined || role === 'tool' || !known.includes(role)) throw new Dropped('not_text')
  return { role: role as RowMessage['role'], content, ...(typeof name === 'string' && { name }) }
}
