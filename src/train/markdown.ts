/** Figures and tables of reports, as Markdown. */
import { mean } from './summary.ts'

const levels = '▁▂▃▄▅▆▇█'

/** Values as a line of bars at most `width` wide, each the mean of its share; from the lowest to the highest value. */
export function sparkline(values: readonly number[], width = 60): string {
  const columns = Math.min(width, values.length)
  const bars = Array.from({ length: columns }, (_, i) =>
    mean(values.slice(Math.floor((i * values.length) / columns), Math.floor(((i + 1) * values.length) / columns))))
  const finite = bars.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const level = (bar: number): number => (high > low ? Math.round(((bar - low) / (high - low)) * (levels.length - 1)) : 0)
  return bars.map((bar) => (Number.isFinite(bar) ? levels[level(bar)] : ' ')).join('')
}

/** At most `count` of the rows, the first and the last among them. */
export function thinned<Row>(rows: readonly Row[], count: number): readonly Row[] {
  if (rows.length <= count) return rows
  return Array.from({ length: count }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (count - 1))]!)
}

/** A Markdown table; the cells are plain text. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Text that stays text in Markdown: names come from recipes and files. */
export function escaped(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*[\]<>|]/g, '\\$&')
}

/** A fenced block. */
export const code = (text: string, language = ''): string => `\`\`\`${language}\n${text}\n\`\`\``

/** An argument as a POSIX shell takes it. */
export const quoted = (argument: string): string => (/^[\w./:@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`)

/** Four significant digits; a dash where there is no number. */
export function number(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '-' : String(Number(value.toPrecision(4)))
}

/** A change, with its sign. */
export const percent = (fraction: number): string => `${fraction >= 0 ? '+' : '−'}${Math.abs(fraction * 100).toFixed(1)}%`

/** Seconds as 1 h 2 min 5 s. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const parts = [[Math.floor(whole / 3600), 'h'], [Math.floor(whole / 60) % 60, 'min'], [whole % 60, 's']] as const
  return parts.filter(([value], i) => value > 0 || i === 2).map(([value, unit]) => `${value} ${unit}`).join(' ')
}
