/** What a dataset of the filter could be: its kind and its name. */
import type { WireInboxCounts, WireInboxFilter, WirePreview } from '../../../../src/server/routes/inbox-wire.ts'

export type Kind = WirePreview['kind']

export interface KindWords {
  readonly kind: Kind
  readonly title: string
  /** What it is made of, and for whom. */
  readonly text: string
}

export const kinds: readonly KindWords[] = [
  { kind: 'pairs', title: 'Pairs', text: 'Choices, and corrections over what they correct: for DPO and reward models.' },
  { kind: 'labelled', title: 'Thumbs', text: 'Answers with a thumb up or down: for KTO, which needs both.' },
  { kind: 'sft', title: 'Demonstrations', text: 'Corrections and answers that were liked: for SFT.' },
  { kind: 'prompts', title: 'Prompts', text: 'What was asked, judged or not: for GRPO and PPO.' },
]

/** The kind of which there is most; of one and the same feedback, the one that says more. */
export function suggestedKind(counts: WireInboxCounts): Kind {
  const up = counts.thumbs_up.count
  const [pairs, thumbs, liked] = [
    counts.choices.count + counts.corrections.count, Math.min(up, counts.thumbs_down.count), counts.corrections.count + up + counts.ratings.count,
  ]
  if (pairs > 0 && pairs >= thumbs) return 'pairs'
  if (thumbs > 0) return 'labelled'
  if (liked > 0) return 'sft'
  return counts.thumbs_down.count > 0 ? 'labelled' : 'prompts'
}

/** A name that a dataset may have, after what the filter names. */
export function suggestedName(filter: WireInboxFilter, kind: Kind): string {
  const about = filter.alias ?? filter.adapter ?? filter.model ?? Object.values(filter.tags ?? {})[0] ?? 'feedback'
  const clean = about.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 60)
  return `${clean === '' ? 'feedback' : clean}-${kind}`
}
