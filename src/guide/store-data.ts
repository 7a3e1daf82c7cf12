import type { DataFacts, StoreFacts } from './facts.ts'

/** The datasets that could be made of it, as data: thumbs, pairs of choices and corrections, corrections as demonstrations. */
export function dataOfStore({ thumbsUp, thumbsDown, corrections, choices }: StoreFacts): DataFacts[] {
  const data = (name: string, kind: DataFacts['kind'], rows: number, more: Partial<DataFacts> = {}): DataFacts[] => {
    if (rows === 0) return []
    return [{ name: `dataset:${name}`, kind, rows, broken: 0, duplicates: 0, conflicts: 0, toMake: { name, kind }, holdsOut: true, ...more }]
  }
  return [
    ...data('corrections', 'sft', corrections),
    ...data('choices', 'pairs', choices + corrections),
    ...data('thumbs', 'labelled', thumbsUp + thumbsDown, { labels: { up: thumbsUp, down: thumbsDown } }),
  ]
}
