"""Makes src/data/fixtures/*.parquet: rows as the datasets library stores them, in the compressions that occur.

    python bench/parity/make_parquet.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FIXTURES = Path(__file__).resolve().parents[2] / "src" / "data" / "fixtures"

TURN = pa.struct([("role", pa.string()), ("content", pa.string()), ("name", pa.string()), ("weight", pa.int64())])
ROWS = [{"id": number, "messages": [
    {"role": "user", "content": f"What is {number} + 1?", "name": None, "weight": None},
    {"role": "assistant", "content": f"{number + 1} ✓", "name": None, "weight": 1},
]} for number in range(3)]


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(ROWS, schema=pa.schema([("id", pa.int64()), ("messages", pa.list_(TURN))]))
    for compression in ["snappy", "zstd", "gzip", "brotli"]:
        pq.write_table(table, FIXTURES / f"messages-{compression}.parquet", compression=compression)


if __name__ == "__main__":
    main()
