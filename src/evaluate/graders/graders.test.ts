import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

import { UserError } from '../../errors.ts'
import { checkGrader, type Grade, type GraderOptions, openGrader } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-graders-'))
after(() => { rmSync(folder, { recursive: true }) })

/** The grades of outputs to one row. */
async function grades(spec: unknown, outputs: readonly string[], item: Readonly<Record<string, unknown>> = {}, options: GraderOptions = {}): Promise<readonly Grade[]> {
  const grader = await openGrader(spec, options)
  try {
    return await grader.grade(outputs.map(output => ({ item, output })))
  } finally {
    await grader.close()
  }
}

async function rewards(...given: Parameters<typeof grades>): Promise<(number | null)[]> {
  return (await grades(...given)).map(({ reward }) => reward)
}

const output = '{{sample.output_text}}'
const check = (operation: string, reference = '{{item.answer}}') => ({ type: 'string_check', name: 'check', input: output, reference, operation })

describe('string_check', () => {
  const expected: Readonly<Record<string, readonly number[]>> = { eq: [1, 0, 0, 0], ne: [0, 1, 1, 1], like: [1, 0, 1, 0], ilike: [1, 1, 1, 0] }
  for (const [operation, values] of Object.entries(expected)) {
    test(operation, async () => {
      assert.deepEqual(await rewards(check(operation), ['Paris', 'paris', 'It is Paris.', 'Rome'], { answer: 'Paris' }), values)
    })
  }

  test('a field of the JSON that the model wrote; an output without it is worth 0', async () => {
    const spec = { ...check('eq'), input: '{{sample.output_json.city}}' }
    assert.deepEqual(await rewards(spec, ['{"city": "Paris"}', '{"town": "Paris"}', 'Paris'], { answer: 'Paris' }), [1, 0, 0])
  })

  test('a row without the field has no reward, and the reason says what the row has', async () => {
    const [grade] = await grades(check('eq', '{{item.anser}}'), ['x'], { answer: 'x' })
    assert.deepEqual(grade, {
      reward: null,
      components: { check: null },
      error: '{{item.anser}}: there is no "anser" (known: answer); did you mean "answer"?',
    })
  })
})

describe('text_similarity', () => {
  const similarity = (evaluation_metric: string) => ({ type: 'text_similarity', input: output, reference: '{{item.answer}}', evaluation_metric })
  test('each metric is 1 for the reference itself and less for another text', async () => {
    for (const metric of ['fuzzy_match', 'bleu', 'gleu', 'rouge_1', 'rouge_2', 'rouge_3', 'rouge_4', 'rouge_5', 'rouge_l']) {
      const [same, other] = await rewards(similarity(metric), ['a b c d e f', 'a b x c d e'], { answer: 'a b c d e f' })
      assert.ok(Math.abs(same! - 1) < 1e-12, metric)
      assert.ok(other! < 1, metric)
    }
  })

  test('cosine compares the embeddings that it is given', async () => {
    const embed = (texts: readonly string[]) => Promise.resolve(texts.map(text => [text.length, 1]))
    const [same, other] = await rewards(similarity('cosine'), ['aaa', 'b'], { answer: 'ccc' }, { embed })
    assert.ok(Math.abs(same! - 1) < 1e-12)
    assert.ok(other! < 0.99)
    await assert.rejects(openGrader(similarity('cosine')), /there is no embedding model here/)
  })

  test('meteor is refused with what comes closest', async () => {
    await assert.rejects(openGrader(similarity('meteor')), /grader\.evaluation_metric: meteor .*rouge_l or bleu/)
  })
})

describe('number', () => {
  const cases: readonly (readonly [text: string, reference: string, worth: number | null])[] = [
    ['She has 12 + 6 = 18 left.', '18', 1],
    ['18', 'So 9 * 2 = <<9*2=18>>18 dollars\n#### 18', 1],
    ['The total is $1,234.50.', '#### 1234.5', 1],
    ['#### 1,000,000 (was 5)', '1000000', 1],
    ['18 of 20', '18', 0],
    ['it is 5-3', '3', 1],
    ['it is -3', '-3', 1],
    ['it is −$3', '-3', 1],
    ['-$3.00', '-3', 1],
    ['2e3', '2000', 1],
    ['.5', '0.5', 1],
    ['**18**', '18', 1],
    ['one of 1,2,3', '3', 1],
    ['50%', '50', 1],
    ['version 1.2.3x', '3', 0],
    ['nothing', '18', 0],
    ['', '18', 0],
    ['9'.repeat(400), '18', 0],
    ['18', 'no number', null],
  ]
  for (const [text, reference, worth] of cases) {
    test(`${text.slice(0, 40)} against ${reference.replaceAll('\n', ' ')}: ${worth}`, async () => {
      assert.deepEqual(await rewards({ type: 'number', reference: '{{item.answer}}' }, [text], { answer: reference }), [worth])
    })
  }

  test('within a tolerance', async () => {
    const spec = { type: 'number', reference: '{{item.answer}}', tolerance: 0.1 }
    assert.deepEqual(await rewards(spec, ['0.4', '0.2', '0.41'], { answer: 0.3 }), [1, 1, 0])
  })
})

test('length: 1 within the bounds, then down to 0 in a line', async () => {
  const words = (count: number) => Array.from({ length: count }, () => 'word').join(' ')
  const spec = { type: 'length', unit: 'words', min: 4, max: 10 }
  assert.deepEqual(await rewards(spec, [4, 10, 15, 20, 40, 3, 0].map(words)), [1, 1, 0.5, 0, 0, 0.75, 0])
  assert.deepEqual(await rewards({ type: 'length', unit: 'characters', max: 2, falloff: 4 }, ['👍👍', 'abc', 'abcdef', 'abcdefg']), [1, 0.75, 0, 0])
})

describe('regex', () => {
  test('a match anywhere, flags, and a group that must be the reference', async () => {
    assert.deepEqual(await rewards({ type: 'regex', pattern: '^[a-z]+$', flags: 'i' }, ['Abc', 'a1']), [1, 0])
    const tagged = { type: 'regex', pattern: '<answer>(.*?)</answer>', flags: 's', reference: '{{item.answer}}' }
    assert.deepEqual(await rewards(tagged, ['x <answer> 42\n</answer>', '<answer>41</answer>', '42'], { answer: 42 }), [1, 0, 0])
  })

  test('a pattern that would run for years is ended, its row without a reward, and the others graded', async () => {
    const found = await grades({ type: 'regex', pattern: '(a+)+$', timeout_ms: 300 }, ['aaa', `${'a'.repeat(50)}!`, 'b', 'a'])
    assert.deepEqual(found.map(({ reward }) => reward), [1, null, 0, 1])
    assert.equal(found[1]!.error, 'took longer than 300 ms')
  })
})

describe('json_schema', () => {
  const schema = { type: 'object', required: ['a'], properties: { a: { type: 'string', pattern: '^(x+)+$' } }, additionalProperties: false }
  test('valid JSON of the schema, or credit for a part', async () => {
    assert.deepEqual(await rewards({ type: 'json_schema', schema }, ['{"a": "xx"}', '{"a": 1}', 'x']), [1, 0, 0])
    assert.deepEqual(await rewards({ type: 'json_schema', schema, partial: true }, ['{"a": "xx"}', '{"a": 1}', 'x']), [1, 0.625, 0])
  })

  test('a pattern in the schema has a time limit', async () => {
    const slow = JSON.stringify({ a: `${'x'.repeat(50)}!` })
    const found = await grades({ type: 'json_schema', schema, timeout_ms: 300 }, [slow, '{"a": "x"}'])
    assert.deepEqual(found.map(({ reward }) => reward), [null, 1])
  })
})

test('a property may be called type, or have a value that is no type', () => {
  const properties = { type: { enum: ['car', 'bike'], default: { type: 'car' } }, of: { const: { type: 'wheel' } } }
  checkGrader({ type: 'json_schema', schema: { type: 'object', properties, dependentRequired: { type: ['of'] } } })
})

describe('score_model', () => {
  const spec = {
    type: 'score_model', name: 'judge', model: 'judge-1', range: [0, 10],
    input: [
      { role: 'system', content: 'Rate from 0 to 10.' },
      { role: 'user', content: { type: 'input_text', text: `{{item.question}}: ${output}` } },
    ],
  }

  test('the first number of the answer, clamped; null without one or where the judge fails', async () => {
    const asked: unknown[] = []
    const complete: GraderOptions['complete'] = (messages, model) => {
      asked.push([model, ...messages])
      const { content } = messages.at(-1)!
      return content.endsWith('fails') ? Promise.reject(new Error('the judge is away')) : Promise.resolve(content.split(': ')[1]!)
    }
    const found = await grades(spec, ['I say 7.5 of 10', '-3', '99', 'no idea', 'fails'], { question: 'Q' }, { complete })
    assert.deepEqual(found.map(({ reward }) => reward), [7.5, 0, 10, null, null])
    assert.deepEqual(found.slice(3).map(({ error }) => error), ['the model\'s answer has no number', 'the judge is away'])
    assert.deepEqual(asked[0], ['judge-1', { role: 'system', content: 'Rate from 0 to 10.' }, { role: 'user', content: 'Q: I say 7.5 of 10' }])
  })

  test('a request from the network can name no model', async () => {
    await assert.rejects(openGrader(spec), /grader\.model: there is no model here/)
  })

  test('a local model answers where nothing else does', async () => {
    const tiny = join(import.meta.dirname, '..', '..', 'models', 'fixtures', 'tiny-llama')
    const local = { ...spec, model: tiny, sampling_params: { max_completions_tokens: 4 } }
    const grader = await openGrader(local, { baseDirectory: folder })
    try {
      const [grade, long] = await grader.grade([{ item: { question: 'a' }, output: 'b' }, { item: { question: 'a' }, output: 'x '.repeat(9_000) }])
      assert.ok(grade!.reward !== null || grade!.error === 'the model\'s answer has no number')
      assert.match(long!.error!, /tokens; the model's context is/)
    } finally {
      await grader.close()
    }
  })
})

describe('multi', () => {
  const spec = {
    type: 'multi',
    graders: { exact: check('eq'), short: { type: 'length', unit: 'words', max: 2 } },
    calculate_output: '0.8 * exact + 0.2 * short',
  }

  test('a formula over the graders, which are its components', async () => {
    assert.deepEqual(await grades(spec, ['Paris', 'in Rome', 'It is in Paris'], { answer: 'Paris' }), [
      { reward: 1, components: { exact: 1, short: 1 } },
      { reward: 0.2, components: { exact: 0, short: 1 } },
      { reward: 0, components: { exact: 0, short: 0 } },
    ])
    assert.deepEqual(checkGrader(spec), { names: ['exact', 'short'], fields: ['answer'] })
  })

  test('null of a part makes the whole null, and so does a value that is not finite', async () => {
    assert.deepEqual(await grades(spec, ['Paris']), [{
      reward: null,
      components: { exact: null, short: 1 },
      error: 'exact: {{item.answer}}: there is no "answer" (no fields there)',
    }])
    const inverse = { ...spec, calculate_output: '1 / exact' }
    assert.deepEqual(await grades(inverse, ['Rome'], { answer: 'Paris' }), [
      { reward: null, components: { exact: 0, short: 1 }, error: 'the formula gives Infinity' },
    ])
  })

  test('parts of parts are named by both', async () => {
    const nested = { type: 'multi', graders: { all: spec, again: check('ne') }, calculate_output: 'all + again' }
    const [grade] = await grades(nested, ['Paris'], { answer: 'Paris' })
    assert.deepEqual(grade, { reward: 1, components: { all: 1, 'all/exact': 1, 'all/short': 1, again: 0 } })
    assert.deepEqual(checkGrader(nested).names, Object.keys(grade!.components))
  })
})

describe('a weighted sum', () => {
  test('its components are the scores before the weights', async () => {
    const spec = [{ grader: check('eq'), weight: 2 }, { grader: { type: 'length', unit: 'words', max: 1 }, weight: -0.5, name: 'brevity' }]
    assert.deepEqual(await grades(spec, ['Paris'], { answer: 'Paris' }), [{ reward: 1.5, components: { check: 1, brevity: 1 } }])
  })

  test('graders in files, each relative to the file that names it', async () => {
    mkdirSync(join(folder, 'parts'), { recursive: true })
    writeFileSync(join(folder, 'parts', 'exact.json'), JSON.stringify(check('eq')))
    writeFileSync(join(folder, 'parts', 'all.json'), JSON.stringify([{ grader: 'exact.json' }]))
    assert.deepEqual(await rewards('parts/all.json', ['Paris'], { answer: 'Paris' }, { baseDirectory: folder }), [1])
    await assert.rejects(openGrader('parts/all.json'), /a grader's file can only be named where it is on this machine/)
  })
})

describe('what is wrong with a spec is said before anything is opened', () => {
  writeFileSync(join(folder, 'broken.json'), '{"type": ')
  writeFileSync(join(folder, 'itself.json'), '[{"grader": "itself.json"}]')
  const cases: Readonly<Record<string, readonly [spec: unknown, message: RegExp]>> = {
    'an unknown field': [{ ...check('eq'), refernce: 'x' }, /^grader: unknown field "refernce"; did you mean "reference"\?$/],
    'an unknown field within': [
      { type: 'multi', graders: { a: { ...check('eq'), weight: 1 } }, calculate_output: 'a' },
      /^grader\.graders\.a: unknown field "weight"; known are input, reference, operation$/,
    ],
    'a missing field': [{ type: 'string_check', input: 'x', operation: 'eq' }, /^grader\.reference: is missing/],
    'an unknown operation': [check('ilke'), /^grader\.operation: there is no "ilke"; did you mean "ilike"\?/],
    'an unknown metric': [
      { type: 'text_similarity', input: 'x', reference: 'x', evaluation_metric: 'rouge_6' },
      /^grader\.evaluation_metric: there is no "rouge_6"; did you mean "rouge_1"\?/,
    ],
    'a field of another type': [{ ...check('eq'), input: 3 }, /^grader\.input: must be a string, got 3$/],
    'an unknown field deeper in': [
      { type: 'score_model', model: 'm', input: [{ role: 'user', content: 'x' }], sampling_params: { temprature: 1 } },
      /^grader\.sampling_params: unknown field "temprature"; did you mean "temperature"\?/,
    ],
    'an unknown type': [{ type: 'string_chek' }, /^grader\.type: there is no grader of type "string_chek"; did you mean "string_check"\?/],
    'no type': [{}, /^grader\.type: is missing; known are string_check, /],
    'python': [{ type: 'python', source: 'def grade' }, /write the function in TypeScript/],
    'label_model': [{ type: 'label_model' }, /use score_model/],
    'a name of a prototype': [{ type: 'constructor' }, /there is no grader of type "constructor"/],
    'not an object': [7, /^grader: must be a grader's JSON object, a file's path or a list of \{grader, weight\}, got 7\.$/],
    'an empty list': [[], /^grader: is empty/],
    'a list of graders without weights': [[check('eq')], /^grader\[0\]: a list is a weighted sum; write \{"grader": …, "weight": 1\}/],
    'two graders of a name': [[{ grader: check('eq') }, { grader: check('ne') }], /two graders are called "check"/],
    'a weight that is none': [[{ grader: check('eq'), weight: 'high' }], /^grader\[0\]\.weight: /],
    'an unknown name in a formula': [
      { type: 'multi', graders: { exact: check('eq') }, calculate_output: 'exct * 2' },
      /^grader\.calculate_output: there is no grader "exct"; did you mean "exact"\?/,
    ],
    'a grader that no formula can name': [{ type: 'multi', graders: { 'a-b': check('eq') }, calculate_output: '1' }, /cannot name "a-b"/],
    'a multi without graders': [{ type: 'multi', graders: {}, calculate_output: '1' }, /has 0 graders/],
    'a broken pattern': [{ type: 'regex', pattern: '(' }, /^grader\.pattern: Invalid regular expression/],
    'an unknown flag': [{ type: 'regex', pattern: 'a', flags: 'g' }, /^grader\.flags: may hold i, m, s, u and v/],
    'bounds the wrong way round': [{ type: 'length', unit: 'words', min: 5, max: 2 }, /^grader\.min: must not be greater than max/],
    'no bounds': [{ type: 'length', unit: 'words' }, /^grader\.max: is missing/],
    'a misspelt type in a schema': [
      { type: 'json_schema', schema: { properties: { a: { type: 'strng' } } } },
      /^grader\.schema\.properties\.a\.type: there is no type "strng"; did you mean "string"\?/,
    ],
    'a misspelt type in a list of schemas': [
      { type: 'json_schema', schema: { anyOf: [{ type: 'null' }, { type: ['string', 'integre'] }] } },
      /^grader\.schema\.anyOf\.1\.type: there is no type "integre"; did you mean "integer"\?/,
    ],
    'a schema that refers to nowhere': [{ type: 'json_schema', schema: { $ref: '#/$defs/none' } }, /^grader\.schema: .*Unresolved \$ref/],
    'a range that does not grow': [
      { type: 'score_model', model: 'm', input: [{ role: 'user', content: 'x' }], range: [1, 1] },
      /^grader\.range: must grow/,
    ],
    'a template that names nothing': [check('eq', '{{itm.x}}'), /^grader\.reference: \{\{itm\.x\}\}: there is no "itm"/],
    'a file that is not there': ['none.json', /^grader: none\.json: the grader's file cannot be read/],
    'a file that is not JSON': ['broken.json', /^grader: broken\.json: not valid JSON/],
    'a file that names itself': ['itself.json', /nested more than 8 deep/],
    'a function that is not there': [{ type: 'function', file: 'none.ts' }, /^grader\.file: there is no file /],
  }
  for (const [name, [spec, message]] of Object.entries(cases)) {
    test(name, () => {
      assert.throws(() => checkGrader(spec, { baseDirectory: folder, allowFunctions: true }), error => {
        assert.ok(error instanceof UserError, String(error))
        assert.equal(error.exitCode, 2)
        assert.match(error.message, message)
        return true
      })
    })
  }

  test('a function where functions are not allowed', () => {
    writeFileSync(join(folder, 'reward.ts'), 'export default () => 1\n')
    const spec = { type: 'function', file: 'reward.ts' }
    assert.throws(() => checkGrader(spec, { baseDirectory: folder }), /can only be named in a recipe/)
    assert.throws(() => checkGrader(spec, { allowFunctions: true }), /can only be named in a recipe/)
  })
})
