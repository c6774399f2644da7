"""Facts as data: accelerators, processors, links, servers, models, grids, prices, measurements.

>>> accelerator("H100 SXM").memory_bandwidth
3350000000000.0
"""

from dcserver.catalog.access import Codec, Radio
from dcserver.catalog.fields import DTYPE_BYTES, DTYPES, Noun, dtype_bytes
from dcserver.catalog.formats import NumberFormat
from dcserver.catalog.nouns import (
    Accelerator,
    Board,
    Cluster,
    ConvNet,
    Cpu,
    Grid,
    Link,
    MemoryTier,
    Price,
    Server,
    Transformer,
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
    """The accelerator of that name.

    Parameters
    ----------
    name : str
        Its name, another name of it, or an unmistakable part.

    Returns
    -------
    Accelerator

    Raises
    ------
    ValueError
        For a name that nothing fits, with the nearest ones, or that several fit.

    Notes
    -----
    Taught in chapter 01.
    """
    return table("accelerators").find(name)


def application(name: str) -> Application:
    """The application of that name, as ``accelerator`` finds it. Taught in chapter 15."""
    return table("applications").find(name)


def cpu(name: str) -> Cpu:
    """The processor of that name, as ``accelerator`` finds it. Taught in chapter 01."""
    return table("cpus").find(name)


def link(name: str) -> Link:
    """The link of that name, as ``accelerator`` finds it. Taught in chapter 01."""
    return table("links").find(name)


def server(name: str) -> Server:
    """The server of that name, as ``accelerator`` finds it. Taught in chapter 01."""
    return table("servers").find(name)


def board(name: str) -> Board:
    """How the parts of the server of that name hang together, as ``accelerator`` finds it. Taught in chapter 01."""
    return table("boards").find(name)


def transformer(name: str) -> Transformer:
    """The transformer of that name, as ``accelerator`` finds it. Taught in chapter 04."""
    return table("transformers").find(name)


def convnet(name: str) -> ConvNet:
    """The convolutional network of that name, as ``accelerator`` finds it. Taught in chapter 05."""
    return table("convnets").find(name)


def grid(name: str) -> Grid:
    """The electricity grid of that name, as ``accelerator`` finds it. Taught in chapter 10."""
    return table("grids").find(name)


def price(name: str) -> Price:
    """The price of that name, as ``accelerator`` finds it. Taught in chapter 13."""
    return table("prices").find(name)


def tier(name: str) -> MemoryTier:
    """The memory tier of that name, as ``accelerator`` finds it. Taught in chapter 04."""
    return table("tiers").find(name)


def number_format(name: str) -> NumberFormat:
    """The number format of that name, as ``accelerator`` finds it. Taught in chapter 03."""
    return table("formats").find(name)


def file_system(name: str) -> FileSystem:
    """The parallel file system of that name, as ``accelerator`` finds it. Taught in chapter 05."""
    return table("filesystems").find(name)


def data_set(name: str) -> DataSet:
    """The data set of that name, as ``accelerator`` finds it. Taught in chapter 05."""
    return table("datasets").find(name)


def radio(name: str) -> Radio:
    """The radio, or wire, of that name, as ``accelerator`` finds it. Taught in chapter 14."""
    return table("radios").find(name)


def codec(name: str) -> Codec:
    """The way of packing video of that name, as ``accelerator`` finds it. Taught in chapter 14."""
    return table("codecs").find(name)
