"""What one answer costs: prefill, decode, batching, queues, prices. Taught in chapter 09."""
