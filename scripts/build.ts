/** Builds dist/: JavaScript and declarations of src/, and the data files that the code reads. */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const src = join(root, 'src')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [tsc, '--project', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

for (const file of globSync('**/*.{json,jsonl}', { cwd: src, exclude: ['**/fixtures/**'] })) {
  cpSync(join(src, file), join(dist, file))
}
chmodSync(join(dist, 'cli', 'main.js'), 0o755)
