/** What the API calls by names, in words. */
import type { DatasetKind } from '../../../../src/feedback/dataset-spec.ts'
import type { DatasetReport } from '../../../../src/feedback/dataset-report.ts'
import type { PartName } from '../../../../src/data/view.ts'

export const kindWords: Readonly<Record<DatasetKind, { readonly rows: string; readonly trains: string }>> = {
  sft: { rows: 'conversations', trains: 'SFT learns to say what the assistant says in them' },
  pairs: { rows: 'pairs', trains: 'DPO and reward models learn which of two answers is better' },
  labelled: { rows: 'thumbs', trains: 'KTO learns from answers that were liked or not' },
  prompts: { rows: 'prompts', trains: 'GRPO and PPO answer them, and learn from the grader' },
}

export const partWords: Readonly<Record<PartName, string>> = {
  conversation: 'Conversation', prompt: 'Prompt', answer: 'Answer', chosen: 'Chosen', rejected: 'Rejected',
}

export const originWords: Readonly<Record<string, string>> = {
  thumbs: 'thumbs', rating: 'ratings', correction: 'corrections', choice: 'choices between two answers', prompt: 'prompts that were asked', file: 'rows of a file',
}

interface ReasonWords {
  readonly what: string
  /** What to do about it. */
  readonly todo: string
}

const reasons: Readonly<Record<keyof DatasetReport['dropped'], ReasonWords>> = {
  completion_not_stored: {
    what: 'The answer that the feedback speaks of is not stored',
    todo: 'Serve with storing on, or log answers of other providers; feedback on answers that come later is joined by itself.',
  },
  text_completion: { what: 'A plain text was completed, no conversation', todo: 'Ask for chat completions: only they have turns to learn from.' },
  deleted: { what: 'Deleted with the data of its user', todo: 'Nothing: it is gone on purpose.' },
  no_such_answer: { what: 'The feedback names an answer that the completion does not have', todo: 'Send the right choice_index with the feedback.' },
  not_text: { what: 'A tool call or an image', todo: 'Nothing: only texts are learned.' },
  empty_answer: { what: 'The answer is empty', todo: 'Nothing: the model would learn to say nothing.' },
  cut_off: {
    what: 'The answer was cut off by its token limit',
    todo: 'Raise max_tokens where the model is asked: who learns such an answer learns to stop anywhere.',
  },
  neutral_rating: {
    what: 'Not liked enough to be an example, or neither good nor bad',
    todo: 'Lower the rating from which on answers count, or correct them: a correction is always used.',
  },
  disputed: {
    what: 'Liked by one, disliked by another',
    todo: 'Say what the answer should have been: a correction is always used.',
  },
  correction_changes_nothing: { what: 'The correction says what the answer said', todo: 'Nothing: there is nothing to prefer.' },
  choice_not_stored: { what: 'One of the two answers is not stored', todo: 'Store both answers before the choice is made a dataset.' },
  choice_of_different_prompts: { what: 'The two answers are to different prompts', todo: 'Let people choose between answers to the same prompt.' },
  choice_of_different_users: { what: 'The two answers belong to different users', todo: 'Let people choose between answers to the same conversation.' },
  choice_of_equal_answers: { what: 'The two answers are the same', todo: 'Nothing: there is nothing to prefer. A higher temperature gives answers that differ.' },
}

export function reasonWords(reason: string): ReasonWords {
  return (reasons as Readonly<Record<string, ReasonWords>>)[reason] ?? { what: reason.replaceAll('_', ' '), todo: '' }
}
