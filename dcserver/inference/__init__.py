"""What one answer costs: prefill, decode, batching, queues, prices. Taught in chapter 09."""

from dcserver.inference.answer import Answer, answer, prefill
from dcserver.inference.cost import StepCost, step_cost
from dcserver.inference.engines import ENGINES, Engine, engine
from dcserver.inference.formats import FORMATS, weight_bytes
from dcserver.inference.offline import Throughput, offline, requests_in_memory
from dcserver.inference.price import TokenPrice, price_per_million, token_price
from dcserver.inference.queue import Capacity, ServedRequests, best_rate, capacity, serve
from dcserver.inference.samples import SCENARIOS, Samples, sample_work, samples, served_share
from dcserver.inference.speculation import Speculation, expected_tokens, speculative
from dcserver.inference.step import Step, experts_touched, step

__all__ = [
    "ENGINES",
    "FORMATS",
    "SCENARIOS",
    "Answer",
    "Capacity",
    "Engine",
    "Samples",
    "ServedRequests",
    "Speculation",
    "Step",
    "StepCost",
    "Throughput",
    "TokenPrice",
    "answer",
    "best_rate",
    "capacity",
    "engine",
    "expected_tokens",
    "experts_touched",
    "offline",
    "prefill",
    "price_per_million",
    "requests_in_memory",
    "sample_work",
    "samples",
    "serve",
    "served_share",
    "speculative",
    "step",
    "step_cost",
    "token_price",
    "weight_bytes",
]
