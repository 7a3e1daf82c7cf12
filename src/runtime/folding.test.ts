import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as ort from 'onnxruntime-node'
import { nf4Dequantized, nf4ScaleBlock } from '../tensor/nf4.ts'
import { encodeOnnx } from '../tensor/onnx.ts'
import { matmul } from '../tensor/operators.ts'
import { input, weight } from '../tensor/tensor.ts'
import { sessionOptions } from './program.ts'
import { WeightFile } from './weights.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-folding-'))
after(() => { rmSync(folder, { recursive: true }) })

test('compiling does not unpack 4-bit weights: nothing of their size enters the compiled graph', async () => {
  const [outputs, inputs] = [128, 128]
  const w = nf4Dequantized({
    codes: weight('codes', 'uint8', [(outputs * inputs) / 2]),
    scaleCodes: weight('scaleCodes', 'uint8', [1, nf4ScaleBlock]),
    scaleScales: weight('scaleScales', 'float32', [1, 1]),
    offset: weight('offset', 'float32', [1]),
    outputs,
    inputs,
  })
  const sizes: Record<string, number> = { codes: (outputs * inputs) / 2, scaleCodes: nf4ScaleBlock, scaleScales: 4, offset: 4 }
  const weights = WeightFile.prepare(join(folder, 'weights.bin'), Object.keys(sizes), (name) => new Uint8Array(sizes[name]!))
  const { bytes } = encodeOnnx(new Map([['y', matmul(input('x', 'float32', ['N', outputs]), w)]]), (name) => weights.locate(name))
  const optimizedModelFilePath = join(folder, 'compiled.onnx')
  const session = await ort.InferenceSession.create(bytes, { ...sessionOptions({ device: 'cpu', weights }), optimizedModelFilePath })
  await session.release()
  const size = statSync(optimizedModelFilePath).size
  assert.ok(size < outputs * inputs, `the compiled graph has ${size} bytes`)
})
