import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'

const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
  bin: { posttrain: string }
  dependencies: Record<string, string>
}

/** Another project, with the package and its dependencies installed. */
const project = mkdtempSync(join(tmpdir(), 'posttrain-pack-'))
const installed = join(project, 'node_modules', 'posttrain')
after(() => { rmSync(project, { recursive: true }) })

const env = { ...process.env, POSTTRAIN_CACHE: join(project, 'cache') }
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: project, encoding: 'utf8', env })

before(() => {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', project], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  mkdirSync(installed, { recursive: true })
  run('tar', '-xzf', `posttrain-${manifest.version}.tgz`, '--strip-components=1', '-C', installed)
  // What npm would install beside it is here already.
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(project, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), link, 'junction')
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module', private: true }))
})

test('the package holds JavaScript, declarations and data, no sources and no tests', () => {
  const files = globSync('**/*.*', { cwd: installed }).map(file => file.replaceAll('\\', '/'))
  for (const file of ['dist/index.js', 'dist/index.d.ts', 'dist/data/general.jsonl', 'examples/icd10/heldout.jsonl', 'LICENSE']) {
    assert.ok(files.includes(file) || globSync(file, { cwd: installed }).length === 1, `${file} is missing`)
  }
  const wrong = files.filter(file => file.startsWith('dist/') && (/(?<!\.d)\.ts$/.test(file) || /\.test\.|\/fixtures\//.test(file)))
  assert.deepEqual(wrong, [])
})

test('no module of it asks for TypeScript, which Node refuses under node_modules', () => {
  const wrong = globSync('dist/**/*.js', { cwd: installed }).filter(file => /['"`]\.{1,2}\/[^'"`\n]*\.ts['"`]/.test(readFileSync(join(installed, file), 'utf8')))
  assert.deepEqual(wrong, [])
})

test('it is imported from JavaScript', () => {
  writeFileSync(join(project, 'use.js'), `
    import { advise, guide, loadModel, merge, train, UserError } from 'posttrain'
    console.log([loadModel, merge, train].map(f => typeof f).join(), guide.decisions.length)
    await train({ model: 'none/none', method: 'sft', data: 'rows.jsonl', bacth: 1 }).catch(error => {
      console.log(error instanceof UserError, error.message)
    })
    await loadModel('./missing').catch(error => { console.log(error instanceof UserError) })
    await advise({ data: ['missing.jsonl'] }).catch(error => { console.log(error instanceof UserError, error.message) })
  `)
  const lines = run(process.execPath, 'use.js').trim().split('\n')
  assert.deepEqual(lines, [
    'function,function,function 10', 'true recipe: unknown key bacth; did you mean batch?', 'true', 'true missing.jsonl: there is no such file.',
  ])
})

test('its types are those of the functions', () => {
  writeFileSync(join(project, 'use.ts'), `
    import { advise, loadModel, train, type Completion } from 'posttrain'
    const model = await loadModel('m', { adapter: 'a', precision: 'int8' })
    const completions: Completion[] = await model.generate([{ prompt: [1], maxTokens: 2, temperature: 0 }])
    const result = await train({ model: 'm', method: 'sft', data: ['a', { path: 'b', weight: 2 }], adapter: { rank: 4 } })
    // @ts-expect-error a rank is a number
    await train({ model: 'm', method: 'sft', data: 'a', adapter: { rank: 'high' } })
    const { decision, runs, estimates } = await advise({ data: ['a'], goal: 'domain' })
    // @ts-expect-error there is no such goal
    await advise({ goal: 'fame' })
    console.log(completions[0]?.text.length, result.finished, decision?.recommended, runs[0]?.recipe.method, estimates[0]?.seconds)
  `)
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext.disposable', '--types', 'node']
  try {
    run(process.execPath, tsc, ...options, 'use.ts')
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout)
  }
})

test('its command runs', () => {
  const bin = join(installed, manifest.bin.posttrain)
  assert.equal(run(process.execPath, bin, '--version').trim(), manifest.version)
  assert.match(run(process.execPath, bin, '--help'), /quickstart .*\n {2}train /)
  const model = join(root, 'src', 'models', 'fixtures', 'tiny-llama')
  const answer = run(process.execPath, bin, 'generate', '--model', model, '--prompt', 'hello', '--max-tokens', '3', '--json')
  assert.equal((JSON.parse(answer) as { usage: { completion_tokens: number } }).usage.completion_tokens, 3)
})
