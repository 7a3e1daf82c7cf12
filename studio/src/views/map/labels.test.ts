import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrowBetween, lengthWithin, sharedArea, type Box, type Spot } from './geometry.ts'
import { placeLabels, type Label } from './labels.ts'

const bounds: Box = { x: 0, y: 0, width: 600, height: 400 }

function labelAt(at: Spot, needed = false): Label {
  return { at, width: 80, height: 16, gap: 10, needed }
}

function markAt({ x, y }: Spot): Box {
  return { x: x - 6, y: y - 6, width: 12, height: 12 }
}

test('a lone label stands to the right of its point', () => {
  const [placed] = placeLabels([labelAt({ x: 100, y: 100 })], { bounds, marks: [], lines: [] })
  assert.deepEqual(placed, { box: { x: 110, y: 92, width: 80, height: 16 }, align: 'start' })
})

test('at the right edge it stands to the left', () => {
  const [placed] = placeLabels([labelAt({ x: 580, y: 100 })], { bounds, marks: [], lines: [] })
  assert.equal(placed!.align, 'end')
  assert.equal(placed!.box.x + placed!.box.width, 570)
})

test('it keeps off an arrow that leaves to the right', () => {
  const at = { x: 100, y: 200 }
  const [placed] = placeLabels([labelAt(at)], { bounds, marks: [], lines: [{ from: at, to: { x: 400, y: 200 } }] })
  assert.notEqual(placed!.align, 'start')
})

test('labels of a crowd cover neither each other nor a point', () => {
  const spots = Array.from({ length: 12 }, (_, i) => ({ x: 120 + (i % 4) * 90, y: 60 + Math.floor(i / 4) * 90 + (i % 2) * 12 }))
  const marks = spots.map(markAt)
  const placed = placeLabels(spots.map((spot) => labelAt(spot)), { bounds, marks, lines: [] }).filter((each) => each !== undefined)
  assert.ok(placed.length >= 10)
  for (const [i, { box }] of placed.entries()) {
    for (const mark of marks) assert.ok(sharedArea(box, mark) < 15)
    for (const other of placed.slice(i + 1)) assert.ok(sharedArea(box, other.box) < 15)
  }
})

test('where there is no room, only what is needed is shown', () => {
  const wall: Box[] = [bounds]
  const placed = placeLabels([labelAt({ x: 300, y: 200 }, true), labelAt({ x: 300, y: 210 })], { bounds, marks: wall, lines: [] })
  assert.notEqual(placed[0], undefined)
  assert.equal(placed[1], undefined)
})

test('the length of a line in a box', () => {
  const box: Box = { x: 10, y: 10, width: 20, height: 20 }
  assert.equal(lengthWithin({ from: { x: 0, y: 20 }, to: { x: 100, y: 20 } }, box), 20)
  assert.equal(lengthWithin({ from: { x: 15, y: 15 }, to: { x: 15, y: 25 } }, box), 10)
  assert.equal(lengthWithin({ from: { x: 0, y: 0 }, to: { x: 5, y: 50 } }, box), 0)
  assert.equal(lengthWithin({ from: { x: 0, y: 40 }, to: { x: 100, y: 40 } }, box), 0)
  assert.ok(Math.abs(lengthWithin({ from: { x: 0, y: 0 }, to: { x: 40, y: 40 } }, box) - Math.hypot(20, 20)) < 1e-9)
})

test('an arrow keeps off both points and ends in its head', () => {
  const arrow = arrowBetween({ x: 0, y: 0 }, { x: 100, y: 0 }, 10, 9)!
  assert.deepEqual(arrow.from, { x: 10, y: 0 })
  assert.deepEqual(arrow.to, { x: 81, y: 0 })
  assert.match(arrow.head, /^90\.0,0\.0 /)
  assert.equal(arrowBetween({ x: 0, y: 0 }, { x: 20, y: 0 }, 10, 9), undefined)
})
