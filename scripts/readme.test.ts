/** What README.md shows is true: its marked blocks are run, and every command and option that it names exists. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { methods } from '../src/methods/index.ts'
import { checkRecipe, formatRecipe, loadRecipe } from '../src/train/recipe.ts'

const root = join(import.meta.dirname, '..')
const main = join(root, 'src/cli/main.ts')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/<!-- npm test runs this block[^>]*-->\n```(\w+)\n([\s\S]*?)```/g)]
  .map(([, language, text]) => ({ language: language!, text: text! }))

/** A folder that looks like the checkout to the commands, so that what they write does not land in it. */
const folder = mkdtempSync(join(tmpdir(), 'posttrain-readme-'))
after(() => { rmSync(folder, { recursive: true }) })
for (const name of ['examples', 'src']) symlinkSync(join(root, name), join(folder, name), 'junction')

function run(command: string, args: readonly string[]): string {
  const env = { ...process.env, POSTTRAIN_CACHE: join(folder, 'cache') }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', env })
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

/** The words of a command line; quotes keep spaces together. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
}

/** Where the expected text has …, anything may stand. */
function matches(actual: string, expected: string): boolean {
  const pattern = expected.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\n]*?')
  return new RegExp(`^${pattern}$`).test(actual)
}

test('the README has a block of commands and one of JavaScript to run', () => {
  assert.deepEqual(blocks.map(({ language }) => language), ['console', 'js'])
})

test('the commands print what the README shows', () => {
  const steps = blocks[0]!.text.split(/^\$ posttrain /m).slice(1)
  assert.ok(steps.length >= 5)
  for (const step of steps) {
    const [line, ...output] = step.split('\n')
    const printed = run(process.execPath, [main, ...words(line!)])
    assert.ok(matches(printed, output.join('\n')), `posttrain ${line!} prints\n${printed}`)
  }
})

test('the library answers what the README shows', () => {
  const { text } = blocks[1]!
  const script = join(folder, 'library.mjs')
  writeFileSync(script, text.replace("'posttrain'", JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href)))
  const shown = /console\.log\(.*\) \/\/ (.*)/.exec(text)?.[1]
  assert.equal(run(process.execPath, [script]), `${shown ?? ''}\n`)
})

test('every command and option in the README and in docs/serving.md exists', () => {
  const shown = readme + readFileSync(join(root, 'docs/serving.md'), 'utf8')
  const lines = [...shown.matchAll(/^(?: {4}|\$ )posttrain (.*)$/gm), ...shown.matchAll(/`posttrain (\w+ [^`]*--[^`]*)`/g)].map(([, line]) => words(line!))
  assert.ok(lines.length >= 10)
  for (const [command, ...rest] of lines) {
    const help = run(process.execPath, [main, command!, '--help'])
    for (const option of rest.filter((word) => word.startsWith('--'))) {
      assert.ok(help.includes(`${option} `), `${command!} has no ${option}`)
    }
  }
})

test('every recipe that the README trains is one', () => {
  const paths = [...readme.matchAll(/posttrain train (examples\/[\w./-]+\.yaml)/g)].map(([, path]) => path!)
  const trained = new Set(paths.map((path) => loadRecipe(join(root, path), [], methods).method))
  for (const name of ['sft', 'dpo', 'kto', 'reward', 'grpo']) assert.ok(trained.has(name), `no recipe of ${name}`)
})

test('docs/recipe.md has every key with its default', () => {
  const text = readFileSync(join(root, 'docs/recipe.md'), 'utf8')
  const shown = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '') as object
  const defaults = parse(formatRecipe(checkRecipe({ model: 'HuggingFaceTB/SmolLM2-135M-Instruct', method: 'sft', data: 'train.jsonl' }, methods))) as object
  // The list of data files and the method's own block are shown in their short forms.
  assert.deepEqual({ ...shown, data: [{ path: 'train.jsonl', weight: 1 }], sft: {} }, defaults)
  for (const key of ['eval', 'eval_every', 'stop', 'adapter.init', 'threads']) assert.ok(text.includes(`| \`${key}`), key)
})

test('docs/recipe.md has every setting of every method with its default', () => {
  const text = readFileSync(join(root, 'docs/recipe.md'), 'utf8')
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => parse(block!) as Record<string, unknown>)
  for (const [name, { settings }] of Object.entries(methods)) {
    const keys = Object.keys(settings.shape)
    if (keys.length === 0) continue
    const defaults = settings.parse({ ...(keys.includes('reward') && { reward: 'given' }) })
    const shown = { ...blocks.find((block) => name in block)?.[name] as object, ...(keys.includes('reward') && { reward: 'given' }) }
    assert.deepEqual(shown, defaults, name)
    for (const key of keys.filter((it) => !(it in defaults) || it === 'reward')) assert.ok(text.includes(`\`${name}.${key}`), `${name}.${key}`)
  }
})

test('every file that the documents name is there', () => {
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: root })]) {
    const text = readFileSync(join(root, document), 'utf8')
    const links = [...text.matchAll(/\]\(([^):]+)\)|src(?:set)?="([^":]+)"/g)].map(([, link, picture]) => (link ?? picture!).replace(/#.*$/, ''))
      .filter((path) => path !== '').map((path) => join(root, dirname(document), path))
    const names = [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|py|md|yaml))`/g)].map(([, path]) => path!)
    for (const path of links) assert.ok(existsSync(path), `${document} links to ${path}`)
    for (const name of names) {
      assert.ok(existsSync(join(root, name)) || existsSync(join(root, 'src', name)), `${document} names ${name}`)
    }
  }
})
