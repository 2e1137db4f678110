"""A Python client of the service: rows in, predictions out, over one connection pool.

from litet.client import Client

with Client("http://127.0.0.1:8000") as client:
    client.predict([[5.1, 3.5, 1.4, 0.2]]).labels  # ['setosa']
"""

from contract.errors import InvalidData, InvalidName, InvalidRows, InvalidSettings, LitetError, NotFound
from litet.admin_client import Refused, Unavailable, UnreadableAnswer
from litet.client.asynchronous import AsyncClient
from litet.client.blocking import Client
from litet.client.failures import TimedOut
from litet.client.messages import ModelDetails, ServedModel
from litet.client.predictions import Predictions
from litet.client.tables import Rows

__all__ = [
    "AsyncClient",
    "Client",
    "InvalidData",
    "InvalidName",
    "InvalidRows",
    "InvalidSettings",
    "LitetError",
    "ModelDetails",
    "NotFound",
    "Predictions",
    "Refused",
    "Rows",
    "ServedModel",
    "TimedOut",
    "Unavailable",
    "UnreadableAnswer",
]
