/**
 * Trains a recipe and prints what it took, as one JSON line: seconds by the clock and of all cores, peak memory, steps, tokens.
 *
 *     node bench/ours/timed-run.ts RECIPE.yaml
 */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { RecipeInput } from '../../src/train/recipe.ts'
import { summarizeRun } from '../../src/train/summary.ts'
import { train } from '../../src/train/train.ts'

const recipe = parse(readFileSync(process.argv[2]!, 'utf8')) as RecipeInput
const start = performance.now()
const { directory, steps, tokens } = await train(recipe, { overwrite: true })
const seconds = (performance.now() - start) / 1000
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ steps, tokens, seconds, cpu_seconds: (user + system) / 1e6, memory_mb: summarizeRun(directory).peakMemoryMb }))
