import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Random } from '../../random.ts'
import { storedType, writeHuggingFaceDirectory } from './export.ts'
import type { ModelFiles } from '../files.ts'
import { narrow, widen } from './float.ts'
import { writeGgufModel } from './gguf-export.ts'
import { deinterleaveHeads, ggufName, interleaveHeads } from './gguf-names.ts'
import { openGguf } from './gguf.ts'
import { openModel } from '../open.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const root = await mkdtemp(join(tmpdir(), 'posttrain-export-'))
const userError = (message: RegExp) => ({ name: 'UserError', message })
after(() => rm(root, { recursive: true, force: true }))

/** The tiny models with the type that their weights are stored in. */
const tiny = [['tiny-llama', 'F32'], ['tiny-mistral', 'BF16'], ['tiny-qwen2', 'F16'], ['tiny-qwen3', 'F32']] as const

/** Fails unless both models have the same tensors, value for value. */
function assertSameWeights(actual: ModelFiles, expected: ModelFiles): void {
  assert.deepEqual([...actual.tensors.keys()].sort(), [...expected.tensors.keys()].sort())
  for (const name of expected.tensors.keys()) assert.deepEqual(actual.read(name), expected.read(name), name)
}

/** The models of `paths`, closed when `use` is done. */
async function using(paths: readonly string[], use: (...models: ModelFiles[]) => void | Promise<void>): Promise<void> {
  const models = await Promise.all(paths.map(openModel))
  try {
    await use(...models)
  } finally {
    models.forEach(model => model.close())
  }
}

for (const [fixture, type] of tiny) {
  test(`${fixture}: a written directory is the same model`, async () => {
    const [source, target] = [join(fixtures, fixture), join(root, fixture)]
    await using([source], async (model) => {
      assert.equal(storedType(model!), type)
      await writeHuggingFaceDirectory(target, model!)
    })
    await using([target, source], (written, model) => {
      assert.deepEqual(written!.config, model!.config)
      assert.equal(storedType(written!), type)
      assertSameWeights(written!, model!)
      const chat = ({ tokenizer }: ModelFiles) =>
        tokenizer.encodeChat([{ role: 'user', content: 'Hi' }], { generationPrompt: true })
      assert.deepEqual(chat(written!), chat(model!))
    })
  })

  test(`${fixture}: a written GGUF file is the same model, and so is the directory written from it`, async () => {
    const source = join(fixtures, fixture)
    const [gguf, directory] = [join(root, `${fixture}.gguf`), join(root, `${fixture}-again`)]
    await using([source], model => writeGgufModel(gguf, model!))
    await using([gguf], model => writeHuggingFaceDirectory(directory, model!))
    await using([source, gguf, directory], (model, fromGguf, again) => {
      const architecture = fixture === 'tiny-mistral' ? 'llama' : model!.config.architecture
      assert.deepEqual(fromGguf!.config, { ...model!.config, architecture })
      assert.deepEqual(again!.config, fromGguf!.config)
      assertSameWeights(fromGguf!, model!)
      assertSameWeights(again!, model!)
      for (const other of [fromGguf!, again!]) {
        assert.deepEqual(other.tokenizer.encode('Hello, world 123 ü'), model!.tokenizer.encode('Hello, world 123 ü'))
      }
    })
  })
}

test('a GGUF file written from a GGUF file keeps its tokenizer tables', async () => {
  const [first, second] = [join(root, 'first.gguf'), join(root, 'second.gguf')]
  await using([join(fixtures, 'tiny-qwen3')], model => writeGgufModel(first, model!))
  await using([first], model => writeGgufModel(second, model!, model, { dtype: 'Q8_0' }))
  const [a, b] = [openGguf(first), openGguf(second)]
  const tables = (fields: typeof a.fields) => [...fields].filter(([key]) => key.startsWith('tokenizer.'))
  assert.ok(tables(a.fields).length > 5)
  assert.deepEqual(tables(b.fields), tables(a.fields))
  assert.equal(b.tensors.get('model.layers.0.mlp.up_proj.weight')!.dtype, 'Q8_0')
  assert.equal(b.tensors.get('model.layers.0.mlp.down_proj.weight')!.dtype, 'F16', 'rows of 48 are not whole blocks')
  assert.equal(b.tensors.get('model.norm.weight')!.dtype, 'F32')
  a.close()
  b.close()
})

test('other weights, in another type', async () => {
  const target = join(root, 'changed')
  await using([join(fixtures, 'tiny-llama')], async (model) => {
    const doubled = { read: (name: string) => model!.read(name).map(value => value * 2) }
    await writeHuggingFaceDirectory(target, model!, doubled, { dtype: 'BF16' })
    await using([target], (written) => {
      for (const name of model!.tensors.keys()) {
        assert.deepEqual(written!.read(name), widen('BF16', narrow('BF16', doubled.read(name))), name)
      }
    })
  })
  const config = JSON.parse(await readFile(join(target, 'config.json'), 'utf8')) as Record<string, unknown>
  assert.equal(config.torch_dtype, 'bfloat16')
})

test('large weights are split, each tensor in one shard', async () => {
  const target = join(root, 'sharded')
  await using([join(fixtures, 'tiny-llama')], model =>
    writeHuggingFaceDirectory(target, model!, model, { maximumShardBytes: 40_000 }))
  const shards = (await readdir(target)).filter(name => name.endsWith('.safetensors')).sort()
  assert.deepEqual(shards, [1, 2, 3].map(i => `model-0000${i}-of-00003.safetensors`))
  const index = await readFile(join(target, 'model.safetensors.index.json'), 'utf8')
  const { metadata } = JSON.parse(index) as { metadata: { total_size: number } }
  await using([target, join(fixtures, 'tiny-llama')], (written, model) => {
    assertSameWeights(written!, model!)
    const bytes = [...model!.tensors.keys()].map(name => model!.read(name).byteLength)
    assert.equal(metadata.total_size, bytes.reduce((a, b) => a + b))
  })
})

test('a model may be replaced; other files, and the source itself, may not', async () => {
  const target = join(root, 'replaced')
  await using([join(fixtures, 'tiny-llama')], async (model) => {
    await writeHuggingFaceDirectory(target, model!)
    await writeHuggingFaceDirectory(target, model!, model, { dtype: 'F16' })
    await writeFile(join(target, 'notes.txt'), 'mine')
    await assert.rejects(
      writeHuggingFaceDirectory(target, model!),
      userError(/holds notes\.txt, which is no part of a model/),
    )
    assert.equal(await readFile(join(target, 'notes.txt'), 'utf8'), 'mine')
    const source = join(root, 'source')
    await cp(target, source, { recursive: true })
    await using([source], itself =>
      assert.rejects(writeHuggingFaceDirectory(source, itself!), userError(/is the model itself/)))
  })
})

test('a write that fails half-way leaves what was there', async () => {
  const parent = join(root, 'failing')
  await mkdir(parent)
  await using([join(fixtures, 'tiny-llama')], async (model) => {
    let reads = 0
    const failing = {
      read(name: string) {
        if (++reads > 5) throw Object.assign(new Error('write'), { code: 'ENOSPC' })
        return model!.read(name)
      },
    }
    await assert.rejects(
      writeHuggingFaceDirectory(join(parent, 'model'), model!, failing),
      userError(/the disk is full/),
    )
    reads = 0
    await assert.rejects(writeGgufModel(join(parent, 'model.gguf'), model!, failing), userError(/the disk is full/))
  })
  assert.deepEqual(await readdir(parent), [])
})

test('names go both ways, and no two tensors share one', () => {
  assert.equal(ggufName('model.embed_tokens.weight'), 'token_embd.weight')
  assert.equal(ggufName('lm_head.weight'), 'output.weight')
  assert.equal(ggufName('model.layers.12.self_attn.q_proj.bias'), 'blk.12.attn_q.bias')
  assert.throws(() => ggufName('model.layers.0.mystery.weight'), RangeError)
})

test('interleaving the halves of a head, and back', () => {
  const rows = Float32Array.of(0, 1, 2, 3, 10, 11, 12, 13)
  assert.deepEqual([...interleaveHeads(rows, 8, 2)], [0, 2, 1, 3, 10, 12, 11, 13])
  const random = new Random(3)
  for (const [heads, headDim, columns] of [[1, 2, 1], [3, 8, 5], [4, 6, 7]] as const) {
    const values = Float32Array.from({ length: heads * headDim * columns }, () => random.uint32())
    assert.deepEqual(deinterleaveHeads(interleaveHeads(values, heads * headDim, heads), heads * headDim, heads), values)
  }
})
