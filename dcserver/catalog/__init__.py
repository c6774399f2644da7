"""Facts as data: accelerators, processors, links, servers, models, grids, prices, measurements.

>>> accelerator("H100 SXM").memory_bandwidth
3350000000000.0
"""

from dcserver.catalog.access import Codec, Radio
from dcserver.catalog.formats import NumberFormat
from dcserver.catalog.nouns import (
    DTYPE_BYTES,
    DTYPES,
    Accelerator,
    Board,
    Cluster,
    ConvNet,
    Cpu,
    Grid,
    Link,
    MemoryTier,
    Noun,
    Price,
    Server,
    Transformer,
    dtype_bytes,
)
from dcserver.catalog.stores import DataSet, FileSystem
from dcserver.catalog.tables import Table, constants, load, measurements, stack, table
from dcserver.catalog.uses import Application

__all__ = [
    "DTYPES",
    "DTYPE_BYTES",
    "Accelerator",
    "Application",
    "Board",
    "Cluster",
    "Codec",
    "ConvNet",
    "Cpu",
    "DataSet",
    "FileSystem",
    "Grid",
    "Link",
    "MemoryTier",
    "Noun",
    "NumberFormat",
    "Price",
    "Radio",
    "Server",
    "Table",
    "Transformer",
    "accelerator",
    "application",
    "board",
    "codec",
    "constants",
    "convnet",
    "cpu",
    "data_set",
    "dtype_bytes",
    "file_system",
    "grid",
    "link",
    "load",
    "measurements",
    "number_format",
    "price",
    "radio",
    "server",
    "stack",
    "table",
    "tier",
    "transformer",
]


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name; an unknown one lists the nearest."""
    return table("accelerators").find(name)


def application(name: str) -> Application:
    """The application of that name."""
    return table("applications").find(name)


def cpu(name: str) -> Cpu:
    """The processor of that name."""
    return table("cpus").find(name)


def link(name: str) -> Link:
    """The link of that name."""
    return table("links").find(name)


def server(name: str) -> Server:
    """The server of that name."""
    return table("servers").find(name)


def board(name: str) -> Board:
    """How the parts of the server of that name hang together."""
    return table("boards").find(name)


def transformer(name: str) -> Transformer:
    """The transformer of that name."""
    return table("transformers").find(name)


def convnet(name: str) -> ConvNet:
    """The convolutional network of that name."""
    return table("convnets").find(name)


def grid(name: str) -> Grid:
    """The electricity grid of that name."""
    return table("grids").find(name)


def price(name: str) -> Price:
    """The price of that name."""
    return table("prices").find(name)


def tier(name: str) -> MemoryTier:
    """The memory tier of that name."""
    return table("tiers").find(name)


def number_format(name: str) -> NumberFormat:
    """The number format of that name."""
    return table("formats").find(name)


def file_system(name: str) -> FileSystem:
    """The parallel file system of that name."""
    return table("filesystems").find(name)


def data_set(name: str) -> DataSet:
    """The data set of that name."""
    return table("datasets").find(name)


def radio(name: str) -> Radio:
    """The radio, or wire, of that name."""
    return table("radios").find(name)


def codec(name: str) -> Codec:
    """The way of packing video of that name."""
    return table("codecs").find(name)
