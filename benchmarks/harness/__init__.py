"""What the benchmarks share: processes, broker, clips, peers, rounds, figures and the table. Knows no single benchmark."""
