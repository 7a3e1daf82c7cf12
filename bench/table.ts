/** A Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Runs every side once in each round, in turn, so that a machine whose speed drifts drifts for all. */
export async function inTurns<Figures>(sides: ReadonlyMap<string, () => Promise<Figures>>, rounds: number): Promise<Map<string, Figures[]>> {
  const results = new Map<string, Figures[]>([...sides.keys()].map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of sides) {
      const figures = await measure()
      process.stderr.write(`round ${round + 1}/${rounds}  ${name}  ${JSON.stringify(figures)}\n`)
      results.get(name)!.push(figures)
    }
  }
  return results
}

/** A Markdown text with the section of the same title replaced, or added at the end. Titles are lines that begin with ##. */
export function replaceSection(text: string, section: string): string {
  const [head, ...sections] = text.trimEnd().split(/\n+(?=## )/)
  const titleOf = (part: string): string => part.split('\n', 1)[0]!
  const place = sections.findIndex((part) => titleOf(part) === titleOf(section))
  const replaced = place === -1 ? [...sections, section] : sections.with(place, section)
  return `${[head, ...replaced].join('\n\n')}\n`
}
