import { rowsFile, runOurs, runTrl, type MethodBench, type StepFigures } from './method-run.ts'
import { pairRows } from './rows.ts'
import { inTurns, markdownTable, median } from './table.ts'

const reference = 'TRL bf16 (its default)'
const settings = { pairs: 24, batch: 2, steps: 10, lr: 1e-5 }

/** Pairs a second over 3 epochs and over one, the reference policy's log-probabilities included. */
export async function benchDpo({ python, model, scratch, rounds }: MethodBench): Promise<string> {
  const { pairs, batch, steps, lr } = settings
  const data = rowsFile(scratch, 'pairs', pairRows(pairs))
  const trl = (...more: string[]) => () =>
    runTrl(python, 'trl_dpo.py', ['--model', model, '--data', data, '--batch', String(batch), '--steps', String(steps), '--lr', String(lr), ...more])
  const ours = (precision: string) => () =>
    runOurs(scratch, `dpo-${precision}`, { model, method: 'dpo', data, base: { precision }, optimizer: { lr }, batch, steps })
  const results = await inTurns(new Map<string, () => Promise<StepFigures>>([
    [reference, trl()],
    ['TRL bf16 without gradient checkpointing', trl('--no-checkpointing')],
    ['posttrain f32', ours('f32')],
    ['posttrain int8', ours('int8')],
  ]), rounds)
  return `## DPO\n\nLoRA, rank 8 on all linear layers; ${batch} pairs a step, prompts of 150 words, answers of 60; ${pairs} pairs an epoch. TRL computes the reference in every step, posttrain once before the first: an epoch's time is that of its steps, at their median, and the reference's.\n\n${table(results)}`
}

function table(results: ReadonlyMap<string, readonly StepFigures[]>): string {
  const rate = (name: string, epochs: number): number => median(results.get(name)!.map((each) => pairsPerSecond(each, epochs)))
  const memory = (name: string): number => median(results.get(name)!.map(({ peak_mb }) => peak_mb))
  const against = (of: (name: string) => number, name: string): string => `${(of(name) / of(reference)).toFixed(2)}x`
  const rates = (epochs: number) => (name: string): number => rate(name, epochs)
  const header = ['', 'pairs/s, 3 epochs', 'ratio', 'pairs/s, 1 epoch', 'ratio', 'peak memory', 'ratio']
  return markdownTable(header, [...results.keys()].map((name) => [
    name,
    rate(name, 3).toFixed(2), against(rates(3), name),
    rate(name, 1).toFixed(2), against(rates(1), name),
    `${memory(name).toFixed(0)} MB`, against(memory, name),
  ]))
}

function pairsPerSecond({ step_seconds, reference_seconds = 0 }: StepFigures, epochs: number): number {
  const { pairs, batch } = settings
  return (epochs * pairs) / (reference_seconds + (epochs * pairs * step_seconds) / batch)
}
