import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonLines, run, toJsonLines } from './process.ts'

/** What the sides of a bench of methods work with. */
export interface MethodBench {
  readonly python: string
  /** Hugging Face directory in f32. */
  readonly model: string
  readonly scratch: string
  readonly rounds: number
}

/** Of a run of ours or of TRL; the CPU's seconds are those of all cores together. */
export interface StepFigures {
  readonly step_seconds: number
  readonly step_cpu_seconds: number
  readonly peak_mb: number
  /** Before the first step, for the reference policy's log-probabilities; only ours computes them ahead. */
  readonly reference_seconds?: number
  readonly reference_cpu_seconds?: number
}

/** A file of rows under `scratch`. */
export function rowsFile(scratch: string, name: string, rows: readonly unknown[]): string {
  const file = join(scratch, `${name}.jsonl`)
  writeFileSync(file, toJsonLines(rows))
  return file
}

/** TRL, by a script of peers/. */
export async function runTrl(python: string, script: string, args: readonly string[]): Promise<StepFigures> {
  const output = await run(python, [join(import.meta.dirname, 'peers', script), ...args])
  return jsonLines(output)[0] as StepFigures
}

/** Ours, from a recipe without its output folder. */
export async function runOurs(scratch: string, name: string, recipe: Readonly<Record<string, unknown>>): Promise<StepFigures> {
  const file = join(scratch, `${name}.yaml`)
  const output = join(scratch, `run-${name}`)
  // An earlier round's folder holds the reference's log-probabilities.
  rmSync(output, { recursive: true, force: true })
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ shuffle: false, threads: 2, ...recipe, output }))
  return jsonLines(await run(process.execPath, [join(import.meta.dirname, 'ours/train.ts'), file]))[0] as StepFigures
}

/**
 * The model with an end token that it never gives, so that every completion has its full length: the peers'
 * `min_new_tokens`. All other files are links.
 */
export function endlessModel(model: string, scratch: string): string {
  const directory = join(scratch, 'endless')
  if (existsSync(directory)) return directory
  mkdirSync(directory)
  for (const name of ['model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) symlinkSync(join(model, name), join(directory, name))
  for (const name of ['config.json', 'generation_config.json']) {
    const config = JSON.parse(readFileSync(join(model, name), 'utf8')) as Record<string, unknown>
    writeFileSync(join(directory, name), JSON.stringify({ ...config, eos_token_id: unusedToken }))
  }
  return directory
}

/** SmolLM2 has seen `<jupyter_script>` in no chat. */
const unusedToken = 15
