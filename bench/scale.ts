import { join } from 'node:path'
import { jsonLines, run } from './process.ts'
import { markdownTable } from './table.ts'

interface Figures {
  readonly seconds: number
  readonly tokens_per_second: number
  readonly peak_mb: number
}

interface Point {
  readonly size: string
  readonly rows: number
  readonly length: number
  readonly precision: string
}

/** Length, batch and model grow one at a time from the same point. */
const points: readonly Point[] = [
  { size: '135M', rows: 1, length: 256, precision: 'f32' },
  { size: '135M', rows: 1, length: 512, precision: 'f32' },
  { size: '135M', rows: 1, length: 1024, precision: 'f32' },
  { size: '135M', rows: 2, length: 256, precision: 'f32' },
  { size: '135M', rows: 4, length: 256, precision: 'f32' },
  { size: '135M', rows: 4, length: 256, precision: 'int8' },
  { size: '360M', rows: 1, length: 256, precision: 'f32' },
  { size: '360M', rows: 1, length: 256, precision: 'int8' },
]

/** Time and memory of one micro-batch as sequence length, rows and model grow; random models of SmolLM2's shapes. */
export async function benchScale(): Promise<string> {
  const rows: string[][] = []
  for (const { size, rows: count, length, precision } of points) {
    const args = ['--size', size, '--rows', String(count), '--length', String(length), '--precision', precision]
    const [figures] = jsonLines(await run(process.execPath, [join(import.meta.dirname, 'ours/scale.ts'), ...args])) as [Figures]
    process.stderr.write(`${args.join(' ')}  ${JSON.stringify(figures)}\n`)
    rows.push([
      size, precision, String(count), String(length), figures.seconds.toFixed(2),
      figures.tokens_per_second.toFixed(0), `${figures.peak_mb.toFixed(0)} MB`,
    ])
  }
  const header = ['model', 'base', 'rows', 'length', 'seconds', 'tokens/s', 'peak memory']
  return `## As length, batch and model grow\n\nOne micro-batch, forward and backward, LoRA rank 8 on all linear layers, half of the tokens carrying loss.\n\n${markdownTable(header, rows)}`
}
