import type { DataFacts, DatasetToMake, StoreFacts } from './facts.ts'

/** The datasets that could be made of it, as data: thumbs, pairs of choices and corrections, corrections as demonstrations. */
export function dataOfStore({ thumbsUp, thumbsDown, corrections, choices }: StoreFacts): DataFacts[] {
  const data = (toMake: DatasetToMake, rows: number, more: Partial<DataFacts> = {}): DataFacts[] => {
    if (rows === 0) return []
    return [{ name: `dataset:${toMake.name}`, kind: toMake.kind, rows, broken: 0, duplicates: 0, conflicts: 0, toMake, holdsOut: true, ...more }]
  }
  return [
    ...data({ name: 'corrections', kind: 'sft', options: { thumbs_up: false, min_rating: null } }, corrections),
    ...data({ name: 'choices', kind: 'pairs' }, choices + corrections),
    ...data({ name: 'thumbs', kind: 'labelled' }, thumbsUp + thumbsDown, { labels: { up: thumbsUp, down: thumbsDown } }),
  ]
}
