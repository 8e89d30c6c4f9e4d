"""Deep embedded clustering: soft assignment to prototypes, sharpened by self-training."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core import BaseClusterHead
from eco_core.parts import buffers_of_any_size, checked
from eco_prototype.centers import check_centers, squared_distances


@checked
class DECClusterHead(BaseClusterHead):
    r"""The head of deep embedded clustering (Xie et al., ICML 2016, arXiv 1511.06335).

    DAEGC (Wang et al., IJCAI 2019, arXiv 1906.06532) trains it together with a graph auto-encoder. A Student-t kernel
    around the centre :math:`\mu_j` gives the probability q that node i belongs to cluster j; the target p sharpens q
    and evens out the cluster sizes; the loss pulls the assignment towards the target:

    .. math::
        q_{ij} \propto (1 + \lVert z_i - \mu_j \rVert^2 / \alpha)^{-(\alpha + 1) / 2}, \qquad
        p_{ij} \propto q_{ij}^2 / \textstyle\sum_i q_{ij}, \qquad
        L = \mathrm{KL}(P \,\Vert\, Q) = \frac{1}{N} \sum_{ij} p_{ij} \log \frac{p_{ij}}{q_{ij}}

    The target is kept fixed for some epochs. It is state of this head (the buffer ``target``, saved with the weights),
    with one row for each node of the graph that it was computed on; `reset_cluster_centers` deletes it. Without a
    stored target, every loss uses a fresh one.

    Args:
        n_clusters: Number of clusters K.
        n_features: Width of the embeddings.
        alpha: Degrees of freedom of the kernel.
        update_interval: Number of epochs between two updates of the target.

    Attributes:
        cluster_centers: The centres, a parameter of shape (n_clusters, n_features).
        target: The stored target of shape (num_nodes, n_clusters), or (0, n_clusters) when there is none.
    """

    target: Tensor

    soft = True

    def __init__(
        self,
        n_clusters: int,
        n_features: int,
        alpha: Annotated[float, Field(gt=0)] = 1.0,
        update_interval: Annotated[int, Field(ge=1)] = 5,
    ) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_features = n_features
        self.alpha = alpha
        self.update_interval = update_interval
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        self.register_buffer("target", torch.empty(0, n_clusters))
        buffers_of_any_size(self, "target")
        self.reset_cluster_centers()

    @torch.no_grad()
    def reset_cluster_centers(self, centers: Tensor | None = None) -> None:
        """Sets the centres and deletes the stored target, which was computed with the old centres.

        Args:
            centers: Centres of shape (n_clusters, n_features), for example from k-means; None: Xavier uniform.

        Raises:
            ValueError: The centres have another shape.
        """
        if centers is None:
            nn.init.xavier_uniform_(self.cluster_centers)
        else:
            check_centers(centers, self.n_clusters, self.n_features)
            self.cluster_centers.copy_(centers)
        self.target = self.cluster_centers.new_empty(0, self.n_clusters)

    @torch.no_grad()
    def on_epoch(self, z: Tensor) -> None:
        """Updates the stored target. Called at the start of every ``update_interval``-th epoch.

        Args:
            z: Embeddings of all nodes of the graph, of shape (num_nodes, n_features).
        """
        self.target = target_distribution(self.log_assignment(z)).exp()

    def forward(self, z: Tensor, update_target: bool = False, n_id: Tensor | None = None) -> Tensor:
        """Returns the clustering loss, a scalar.

        Args:
            z: Embeddings of shape (num_rows, n_features).
            update_target: Whether to compute the target from these embeddings first, and store it; ``z`` must then have
                the embeddings of all nodes.
            n_id: The node of each row, of shape (num_rows,), dtype int64, to find its row of the stored target. None:
                the rows are all nodes, in order.

        Raises:
            ValueError: The rows do not fit the stored target, or ``update_target`` is set and they are not all nodes.
        """
        log_q = self.log_assignment(z)
        if update_target:
            self._store(target_distribution(log_q.detach()).exp(), n_id)
        if self.target.size(0) == 0:
            log_p = target_distribution(log_q.detach())
            return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
        return F.kl_div(log_q, self._stored(z.size(0), n_id).to(log_q.dtype), reduction="batchmean")

    @torch.no_grad()
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Assigns nodes to clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` the assignment q, (num_nodes, n_clusters).
        """
        log_q = self.log_assignment(z)
        return log_q.exp() if soft else log_q.argmax(dim=-1)

    def log_assignment(self, z: Tensor) -> Tensor:
        """Returns log q, of shape (num_nodes, n_clusters): at least in single precision, also under autocast."""
        dtype = torch.promote_types(z.dtype, self.cluster_centers.dtype)
        with torch.autocast(device_type=z.device.type, enabled=False):
            distances = squared_distances(z.to(dtype), self.cluster_centers.to(dtype))
            return F.log_softmax(-(self.alpha + 1) / 2 * torch.log1p(distances / self.alpha), dim=-1)

    def _store(self, target: Tensor, n_id: Tensor | None) -> None:
        if n_id is not None:
            order = n_id.argsort()
            if not torch.equal(n_id[order], torch.arange(target.size(0), device=n_id.device)):
                raise ValueError(
                    f"update_target=True stores the target of all nodes, but n_id does not number the {target.size(0)} "
                    "rows of z from 0 to the last, each once. Give the embeddings of the whole graph, or call "
                    "on_epoch(z) with them."
                )
            target = target[order]
        self.target = target

    def _stored(self, rows: int, n_id: Tensor | None) -> Tensor:
        stored = self.target.size(0)
        if n_id is None:
            if rows != stored:
                raise ValueError(
                    f"z has {rows} rows, but the stored target has {stored}. For a mini-batch of that graph, pass the "
                    "nodes of the rows as n_id; for another graph, store its target with update_target=True, or "
                    "delete the stored target with reset_cluster_centers(centers)."
                )
            return self.target
        if n_id.numel() != rows:
            raise ValueError(f"z has {rows} rows, but n_id names {n_id.numel()} nodes. Give one node for each row.")
        try:
            return self.target.index_select(0, n_id)
        except IndexError:
            raise ValueError(
                f"n_id names nodes from {int(n_id.min())} to {int(n_id.max())}, but the stored target has {stored} "
                "rows. Call on_epoch(z) or use update_target=True with the embeddings of the whole graph first."
            ) from None


def target_distribution(log_q: Tensor) -> Tensor:
    """Returns log p, the logarithm of the sharpened assignment.

    Args:
        log_q: Logarithm of the soft assignment, of shape (num_nodes, n_clusters).

    Returns:
        The same shape: log of ``q^2 / f`` normalised in each row, with f the column sums of q.
    """
    return F.log_softmax(2 * log_q - log_q.logsumexp(dim=0), dim=-1)
