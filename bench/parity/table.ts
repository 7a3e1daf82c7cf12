/** One comparison: how far this project is from its reference, and how far it may be. */
export interface Finding {
  readonly model: string
  readonly what: string
  readonly reference: string
  /** Largest difference, or the number of tokens that differ. */
  readonly difference: number
  readonly limit: number
}

export function holds({ difference, limit }: Finding): boolean {
  return difference <= limit
}

/** A Markdown table of what was found, a line for each comparison. */
export function table(findings: readonly Finding[]): string {
  const rows = findings.map(finding => [
    finding.model, finding.what, finding.reference, amount(finding.difference), amount(finding.limit), holds(finding) ? 'yes' : 'NO',
  ])
  const header = ['model', 'what', 'reference', 'largest difference', 'limit', 'holds']
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map(row => row[i]!.length)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function amount(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toExponential(1)
}

/** Largest absolute difference of two lists; infinite where their lengths differ or a value is not a number. */
export function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Infinity
  return ours.reduce((largest, value, i) => {
    const difference = Math.abs(value - theirs[i]!)
    return Number.isNaN(difference) ? Infinity : Math.max(largest, difference)
  }, 0)
}

/** Largest relative difference of two lists; two zeros are equal. */
export function largestRatio(ours: readonly number[], theirs: readonly number[]): number {
  return largestDifference(ours.map((value, i) => (value === theirs[i] ? 1 : value / theirs[i]!)), theirs.map(() => 1))
}

/** How many entries of two token lists differ, the shorter one's missing entries included. */
export function differingTokens(ours: readonly number[], theirs: readonly number[]): number {
  const length = Math.max(ours.length, theirs.length)
  return Array.from({ length }, (_, i) => Number(ours[i] !== theirs[i])).reduce((sum, differs) => sum + differs, 0)
}
