// Runs every test, or the files that are named: `node scripts/test.mjs [FILE ...]`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const all = ['src/**/*.test.ts', 'examples/**/*.test.ts', 'bench/load/*.test.ts', 'scripts/**/*.test.ts', 'studio/**/*.test.ts']
const named = process.argv.slice(2)
// A test that hangs ends after ten minutes; none takes two.
const options = ['--test', '--test-concurrency=2', '--test-timeout=600000']

// TypeScript is stripped and compiled once, not by each of a thousand processes: a quarter of the tests' time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url))
const { status } = spawnSync(process.execPath, [...options, ...(named.length > 0 ? named : all)], { stdio: 'inherit' })
process.exitCode = status ?? 1
