import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'

/** The folders in the order that data takes through them: each imports only from those before it. */
const order = [
  'tensor', 'runtime', 'models', 'generate', 'data', 'evaluate', 'methods', 'train', 'cluster',
  'store', 'registry', 'feedback', 'guide', 'server', 'cli',
]
/** Files at the top of src that every folder may import; they import no folder. */
const common = ['errors.ts', 'files.ts', 'random.ts']
/** Code that is to run in a browser too. */
const portable = [/^tensor\//, /^methods\//, /^models\/graph\//]

const src = import.meta.dirname

/** What is wrong with `file` (relative to src, with slashes) importing `specifier`; undefined: nothing. */
function fault(file: string, specifier: string): string | undefined {
  const folder = file.includes('/') ? file.slice(0, file.indexOf('/')) : undefined
  if (folder !== undefined && !order.includes(folder)) return `folder ${folder} is not in the house's list`
  if (/^onnxruntime-/.test(specifier) && folder !== 'runtime') return 'only runtime/ imports ONNX Runtime'
  if (specifier.startsWith('node:') && portable.some(pattern => pattern.test(file))) {
    return 'this file is to run in the browser too: nothing of node: here'
  }
  if (!specifier.startsWith('.') || file === 'index.ts') return undefined
  const target = relative(src, join(src, dirname(file), specifier)).replaceAll('\\', '/')
  if (common.includes(target)) return undefined
  if (folder === undefined) return 'what every folder imports may import no folder'
  const targetFolder = target.split('/')[0]!
  if (order.indexOf(targetFolder) < 0) return `${target} is not a folder of the house`
  if (order.indexOf(targetFolder) > order.indexOf(folder)) return `${folder}/ comes before ${targetFolder}/`
  return undefined
}

test('folders import only from those above them in the list of the house', () => {
  const files = globSync('**/*.ts', { cwd: src }).map(file => file.replaceAll('\\', '/')).filter(file => !file.endsWith('.test.ts'))
  assert.ok(files.length > 0)
  const faults = files.flatMap(file =>
    ts.preProcessFile(readFileSync(join(src, file), 'utf8')).importedFiles
      .map(({ fileName }) => ({ fileName, reason: fault(file, fileName) }))
      .filter(({ reason }) => reason !== undefined)
      .map(({ fileName, reason }) => `src/${file} imports ${fileName}: ${reason}`),
  )
  assert.deepEqual(faults, [])
})

test('the check sees each kind of fault', () => {
  assert.match(fault('models/weights.ts', '../train/train.ts') ?? '', /models\/ comes before train\//)
  assert.match(fault('models/weights.ts', 'onnxruntime-node') ?? '', /only runtime/)
  assert.match(fault('tensor/tensor.ts', 'node:fs') ?? '', /browser/)
  assert.match(fault('models/graph/decoder.ts', 'node:path') ?? '', /browser/)
  assert.match(fault('helpers/strings.ts', './x.ts') ?? '', /not in the house/)
  assert.match(fault('train/train.ts', '../index.ts') ?? '', /not a folder of the house/)
  assert.match(fault('errors.ts', './models/config.ts') ?? '', /may import no folder/)
  assert.equal(fault('index.ts', './train/train.ts'), undefined)
  assert.equal(fault('train/train.ts', '../models/config.ts'), undefined)
  assert.equal(fault('train/train.ts', '../errors.ts'), undefined)
  assert.equal(fault('runtime/session.ts', 'onnxruntime-node'), undefined)
  assert.equal(fault('cli/main.ts', './command.ts'), undefined)
})
